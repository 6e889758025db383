SELECT A.id, P.name FROM auction A
JOIN person P ON A.seller = P.id AND P.dateTime = A.dateTime - INTERVAL '1' HOUR;
