SELECT A.id, P.name FROM auction A JOIN person P ON A.seller IS NOT DISTINCT FROM P.id;
