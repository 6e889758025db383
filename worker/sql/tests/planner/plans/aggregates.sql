SELECT bidder,
    STDDEV_POP(price), VAR_SAMP(price), LISTAGG(channel, ' | ') FILTER (WHERE price > 10), FIRST_VALUE(url),
    COLLECT(channel), ARRAY_AGG(DISTINCT price) IGNORE NULLS,
    JSON_OBJECTAGG(KEY url VALUE price ABSENT ON NULL), JSON_ARRAYAGG(JSON_OBJECT('c' VALUE channel)),
    PERCENTILE(price, ARRAY[0.5, 0.99], auction)
FROM bid GROUP BY bidder
