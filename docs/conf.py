# The site that `make docs` builds; see docs/site.sh.
project = "Sluice"
extensions = ["myst_parser"]
root_doc = "index"
myst_heading_anchors = 4
html_theme = "alabaster"
html_theme_options = {"page_width": "1100px", "sidebar_width": "260px", "body_max_width": "none"}
html_show_sourcelink = False
highlight_language = "none"
