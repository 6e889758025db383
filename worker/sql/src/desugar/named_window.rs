//! `WINDOW w AS (…)`: the calls over a named window get the window itself.

use std::ops::ControlFlow;

use sqlparser::ast::{Expr, Ident, NamedWindowDefinition, NamedWindowExpr, Select, VisitMut, WindowSpec, WindowType};

use crate::visit;

/// Writes the windows of a `SELECT` out where they are used. A name of no window stays, and is refused there.
pub(super) fn write_out(select: &mut Select) {
    let windows = std::mem::take(&mut select.named_window);
    if !windows.is_empty() {
        replace(&mut select.projection, &windows);
        replace(&mut select.qualify, &windows);
    }
}

fn replace(part: &mut impl VisitMut, windows: &[NamedWindowDefinition]) {
    let _ = visit::expressions_mut(part, |expr| {
        if let Expr::Function(function) = expr
            && let Some(over) = &mut function.over
        {
            let found = match over {
                WindowType::NamedWindow(name) => named(name, windows, windows.len()),
                WindowType::WindowSpec(spec) => extended(spec, windows, windows.len()),
            };
            if let Some(spec) = found {
                *over = WindowType::WindowSpec(spec);
            }
        }
        ControlFlow::<()>::Continue(())
    });
}

/// The window of a name, through at most so many other windows.
fn named(name: &Ident, windows: &[NamedWindowDefinition], through: usize) -> Option<WindowSpec> {
    let through = through.checked_sub(1)?;
    let NamedWindowDefinition(_, window) = windows.iter().find(|window| window.0.value == name.value)?;
    match window {
        NamedWindowExpr::NamedWindow(other) => named(other, windows, through),
        NamedWindowExpr::WindowSpec(spec) => extended(spec, windows, through).or_else(|| Some(spec.clone())),
    }
}

/// `(w ORDER BY a)`: what the window itself says goes over what the named one says.
fn extended(spec: &WindowSpec, windows: &[NamedWindowDefinition], through: usize) -> Option<WindowSpec> {
    let base = named(spec.window_name.as_ref()?, windows, through)?;
    let or = |own: &[_], base| if own.is_empty() { base } else { own.to_vec() };
    Some(WindowSpec {
        window_name: None,
        partition_by: if spec.partition_by.is_empty() { base.partition_by } else { spec.partition_by.clone() },
        order_by: or(&spec.order_by, base.order_by),
        window_frame: spec.window_frame.clone().or(base.window_frame),
    })
}
