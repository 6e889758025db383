SELECT bidder FROM bid EXCEPT SELECT seller FROM auction INTERSECT SELECT id FROM person;
