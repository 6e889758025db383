-- agg_basic
SELECT channel, COUNT(*) AS c, SUM(price) AS s, MIN(price) AS mn, MAX(price) AS mx, AVG(price) AS a FROM bid GROUP BY channel;

-- agg_global
SELECT COUNT(*), COUNT(DISTINCT bidder), SUM(price), MAX(url), MIN(`dateTime`) FROM bid;

-- agg_global_empty
SELECT COUNT(*), SUM(price), MAX(price) FROM bid WHERE price < 0;

-- agg_having
SELECT auction, COUNT(*) AS c FROM bid GROUP BY auction HAVING COUNT(*) > 20;

-- agg_filter
SELECT bidder, COUNT(*) FILTER (WHERE price > 10000) AS hi, SUM(price) FILTER (WHERE channel = 'Google') AS g, COUNT(DISTINCT auction) FILTER (WHERE price < 1000) AS d FROM bid GROUP BY bidder;

-- agg_distinct_sum
SELECT channel, SUM(DISTINCT price), AVG(DISTINCT price), COUNT(DISTINCT price), COUNT(DISTINCT auction) FROM bid WHERE channel IN ('Google','Apple','Baidu') GROUP BY channel;

-- agg_two_level
SELECT c, COUNT(*) AS n FROM (SELECT bidder, COUNT(*) AS c FROM bid GROUP BY bidder) GROUP BY c;

-- agg_two_level_minmax
SELECT m, MIN(s), MAX(s), COUNT(DISTINCT s), AVG(s) FROM (SELECT bidder, MOD(bidder, 7) AS m, SUM(price) AS s FROM bid GROUP BY bidder) GROUP BY m;

-- agg_two_level_distinct_filter
SELECT MOD(c, 3), COUNT(DISTINCT c) FILTER (WHERE c > 4), SUM(DISTINCT c), COUNT(DISTINCT mx) FROM (SELECT auction, COUNT(*) AS c, MAX(channel) AS mx FROM bid GROUP BY auction) GROUP BY MOD(c, 3);

-- agg_expr_key
SELECT UPPER(SUBSTRING(channel, 1, 1)), EXTRACT(SECOND FROM `dateTime`), COUNT(*) FROM bid GROUP BY UPPER(SUBSTRING(channel, 1, 1)), EXTRACT(SECOND FROM `dateTime`);

-- agg_null_key
SELECT CASE WHEN price > 50000 THEN NULL ELSE MOD(price, 3) END AS k, COUNT(*), SUM(price) FROM bid GROUP BY CASE WHEN price > 50000 THEN NULL ELSE MOD(price, 3) END;

-- agg_null_args
SELECT COUNT(x), SUM(x), AVG(x), MIN(x), MAX(x), COUNT(DISTINCT x) FROM (SELECT CASE WHEN price > 1000 THEN NULL ELSE price END AS x FROM bid);

-- agg_all_null
SELECT channel, SUM(x), AVG(x), MIN(x), COUNT(x) FROM (SELECT channel, CAST(NULL AS INT) AS x FROM bid WHERE channel = 'Apple') GROUP BY channel;

-- agg_decimal
SELECT channel, SUM(CAST(price AS DECIMAL(10,2)) / 3), AVG(CAST(price AS DECIMAL(10,2))), MAX(CAST(price AS DECIMAL(12,4)) * 1.05) FROM bid WHERE channel = 'Google' OR channel = 'Apple' GROUP BY channel;

-- agg_smallints
SELECT SUM(CAST(MOD(price, 100) AS TINYINT)), AVG(CAST(MOD(price, 100) AS SMALLINT)), SUM(CAST(MOD(price, 100) AS INT)) FROM bid;

-- agg_stddev
SELECT channel, STDDEV_POP(price), STDDEV_SAMP(price), VAR_POP(price), VAR_SAMP(price), VARIANCE(price) FROM bid WHERE channel IN ('Google','Apple') GROUP BY channel;

-- agg_stddev_one
SELECT STDDEV_SAMP(price), VAR_SAMP(price), VAR_POP(price) FROM bid WHERE auction = 1000 AND price = (CAST(1 AS BIGINT));

-- agg_first_last
SELECT channel, FIRST_VALUE(price), LAST_VALUE(price), FIRST_VALUE(url) FROM bid WHERE channel IN ('Google','Apple') GROUP BY channel;

-- agg_listagg
SELECT seller, LISTAGG(CAST(category AS STRING)), LISTAGG(CAST(category AS STRING), '|'), LISTAGG(DISTINCT CAST(category AS STRING)) FROM auction GROUP BY seller;

-- agg_collect
SELECT seller, COLLECT(category) FROM auction GROUP BY seller;

-- agg_array_agg
SELECT seller, ARRAY_AGG(category) FROM auction GROUP BY seller;

-- agg_array_agg_distinct
SELECT category, ARRAY_AGG(DISTINCT MOD(seller, 4)) FROM auction GROUP BY category;

-- agg_json
SELECT category, JSON_ARRAYAGG(id), JSON_OBJECTAGG(KEY CAST(id AS STRING) VALUE reserve) FROM auction WHERE id < 1040 GROUP BY category;

-- agg_percentile
SELECT channel, PERCENTILE(price, 0.5), PERCENTILE(price, 0.9) FROM bid WHERE channel IN ('Google','Apple') GROUP BY channel;

-- grouping_sets
SELECT category, seller, COUNT(*), GROUPING(category), GROUPING_ID(category, seller) FROM auction GROUP BY GROUPING SETS ((category), (seller), (category, seller), ());

-- rollup
SELECT category, MOD(seller, 3) AS m, COUNT(*), MAX(reserve) FROM auction GROUP BY ROLLUP (category, MOD(seller, 3));

-- cube
SELECT category, MOD(seller, 3) AS m, SUM(reserve) FROM auction GROUP BY CUBE (category, MOD(seller, 3));

-- distinct
SELECT DISTINCT channel, MOD(bidder, 5) FROM bid;

-- distinct_on_update
SELECT DISTINCT c FROM (SELECT bidder, COUNT(*) AS c FROM bid GROUP BY bidder);

-- union_all
SELECT auction AS x FROM bid WHERE price > 50000 UNION ALL SELECT id FROM auction;

-- union
SELECT auction AS x FROM bid WHERE price > 50000 UNION SELECT id FROM auction;

-- intersect
SELECT auction AS x FROM bid INTERSECT SELECT id FROM auction;

-- except
SELECT id AS x FROM auction EXCEPT SELECT auction FROM bid;

-- in_subquery
SELECT auction, price FROM bid WHERE auction IN (SELECT id FROM auction WHERE category = 10);

-- not_in
SELECT id FROM auction WHERE id NOT IN (SELECT auction FROM bid WHERE price > 20000);

-- not_in_null
SELECT id FROM auction WHERE id NOT IN (SELECT CASE WHEN price > 20000 THEN NULL ELSE auction END FROM bid WHERE price > 10000);

-- exists
SELECT P.id, P.name FROM person P WHERE EXISTS (SELECT 1 FROM auction A WHERE A.seller = P.id AND A.reserve > 10000);

-- not_exists
SELECT P.id, P.name FROM person P WHERE NOT EXISTS (SELECT 1 FROM auction A WHERE A.seller = P.id);

-- not_exists_cond
SELECT A.id FROM auction A WHERE NOT EXISTS (SELECT 1 FROM bid B WHERE B.auction = A.id AND B.price > A.reserve);

-- semi_updating
SELECT auction, price FROM bid WHERE auction IN (SELECT auction FROM bid GROUP BY auction HAVING COUNT(*) > 100);

-- join_inner
SELECT B.auction, B.price, A.category FROM bid B JOIN auction A ON B.auction = A.id WHERE A.category = 12;

-- join_nonequi
SELECT B.auction, B.price, A.reserve FROM bid B JOIN auction A ON B.auction = A.id AND B.price > A.reserve;

-- join_three
SELECT P.name, A.id, B.price FROM person P JOIN auction A ON A.seller = P.id JOIN bid B ON B.auction = A.id WHERE B.price > 10000;

-- join_self
SELECT A.id, B.id FROM auction A JOIN auction B ON A.seller = B.seller AND A.id < B.id AND A.category = B.category;

-- join_updating
SELECT A.id, A.category, C.c FROM auction A JOIN (SELECT auction, COUNT(*) AS c FROM bid GROUP BY auction) C ON A.id = C.auction;

-- join_updating_both
SELECT X.m, X.c, Y.s FROM (SELECT MOD(auction, 50) AS m, COUNT(*) AS c FROM bid GROUP BY MOD(auction, 50)) X JOIN (SELECT MOD(id, 50) AS m, SUM(reserve) AS s FROM auction GROUP BY MOD(id, 50)) Y ON X.m = Y.m;

-- join_agg_of_join
SELECT category, COUNT(*), MAX(mx), MIN(mx), AVG(mx) FROM (SELECT A.id, A.category, MAX(B.price) AS mx FROM auction A JOIN bid B ON A.id = B.auction GROUP BY A.id, A.category) GROUP BY category;

-- join_not_distinct
SELECT COUNT(*) FROM (SELECT CASE WHEN price > 60000 THEN NULL ELSE auction END AS k FROM bid WHERE price > 30000) X JOIN (SELECT CASE WHEN reserve > 60000 THEN NULL ELSE id END AS k FROM auction) Y ON X.k IS NOT DISTINCT FROM Y.k;

-- join_null_keys
SELECT COUNT(*) FROM (SELECT CASE WHEN price > 60000 THEN NULL ELSE auction END AS k FROM bid) X JOIN (SELECT CASE WHEN reserve > 60000 THEN NULL ELSE id END AS k FROM auction) Y ON X.k = Y.k;

-- join_using
SELECT * FROM (SELECT id, category FROM auction) JOIN (SELECT auction AS id, MAX(price) AS mx FROM bid GROUP BY auction) USING (id);

-- join_comma
SELECT A.id, B.price FROM auction A, bid B WHERE A.id = B.auction AND B.price BETWEEN 1000 AND 1100;

-- tumble_offset
SELECT window_start, window_end, window_time, COUNT(*) FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '3' SECOND, INTERVAL '1' SECOND)) GROUP BY window_start, window_end, window_time;

-- tumble_global_keys
SELECT window_end, MAX(price), AVG(price) FROM TABLE(TUMBLE(DATA => TABLE bid, TIMECOL => DESCRIPTOR(`dateTime`), SIZE => INTERVAL '5' SECOND)) GROUP BY window_start, window_end;

-- hop
SELECT window_start, window_end, auction, COUNT(*) FROM TABLE(HOP(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '1' SECOND, INTERVAL '3' SECOND)) GROUP BY window_start, window_end, auction;

-- cumulate
SELECT window_start, window_end, channel, COUNT(*), SUM(price), MAX(bidder), COUNT(DISTINCT auction) FROM TABLE(CUMULATE(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '1' SECOND, INTERVAL '5' SECOND)) WHERE channel IN ('Apple', 'Google') GROUP BY window_start, window_end, channel;

-- session
SELECT window_start, window_end, bidder, COUNT(*), MAX(price) FROM TABLE(SESSION(TABLE bid PARTITION BY bidder, DESCRIPTOR(`dateTime`), INTERVAL '1' SECOND)) GROUP BY window_start, window_end, bidder;

-- session_nokey
SELECT window_start, window_end, COUNT(*) FROM TABLE(SESSION(TABLE auction, DESCRIPTOR(`dateTime`), INTERVAL '0.02' SECOND)) GROUP BY window_start, window_end;

-- session_more_keys
SELECT window_start, window_end, bidder, channel, COUNT(*) FROM TABLE(SESSION(TABLE bid PARTITION BY bidder, DESCRIPTOR(`dateTime`), INTERVAL '1' SECOND)) WHERE channel IN ('Apple','Google') GROUP BY window_start, window_end, bidder, channel;

-- session_fewer_keys
SELECT window_start, window_end, COUNT(*) FROM TABLE(SESSION(TABLE bid PARTITION BY bidder, DESCRIPTOR(`dateTime`), INTERVAL '1' SECOND)) GROUP BY window_start, window_end;

-- session_legacy
SELECT bidder, COUNT(*), SESSION_START(`dateTime`, INTERVAL '1' SECOND), SESSION_END(`dateTime`, INTERVAL '1' SECOND) FROM bid GROUP BY bidder, SESSION(`dateTime`, INTERVAL '1' SECOND);

-- hop_legacy
SELECT HOP_START(`dateTime`, INTERVAL '1' SECOND, INTERVAL '2' SECOND), HOP_END(`dateTime`, INTERVAL '1' SECOND, INTERVAL '2' SECOND), SUM(price) FROM bid GROUP BY HOP(`dateTime`, INTERVAL '1' SECOND, INTERVAL '2' SECOND);

-- window_grouping_sets
SELECT window_start, channel, MOD(bidder, 3) AS m, COUNT(*), GROUPING(channel) FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '5' SECOND)) WHERE channel IN ('Apple','Google') GROUP BY window_start, window_end, GROUPING SETS ((channel), (MOD(bidder, 3)), ());

-- window_cascade
SELECT window_start, window_end, COUNT(*), SUM(c) FROM TABLE(TUMBLE(TABLE w, DESCRIPTOR(rt), INTERVAL '10' SECOND)) GROUP BY window_start, window_end;

-- window_topn
SELECT * FROM (SELECT window_start, window_end, bidder, s, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY s DESC, bidder) AS rn FROM (SELECT window_start, window_end, bidder, SUM(price) AS s FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '2' SECOND)) GROUP BY window_start, window_end, bidder)) WHERE rn <= 3;

-- window_topn_direct
SELECT window_start, auction, price, rn FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end, channel ORDER BY price DESC, auction, bidder) AS rn FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '2' SECOND)) WHERE channel IN ('Apple','Google')) WHERE rn <= 2;

-- window_dedup
SELECT window_start, bidder, `dateTime` FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end, bidder ORDER BY `dateTime` DESC) AS rn FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '2' SECOND))) WHERE rn = 1;

-- window_join
SELECT L.auction, L.c, R.id, L.window_start FROM (SELECT auction, COUNT(*) AS c, window_start, window_end FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '2' SECOND)) GROUP BY auction, window_start, window_end) L JOIN (SELECT id, window_start, window_end FROM TABLE(TUMBLE(TABLE auction, DESCRIPTOR(`dateTime`), INTERVAL '2' SECOND))) R ON L.auction = R.id AND L.window_start = R.window_start AND L.window_end = R.window_end;

-- window_join_semi
SELECT L.id, L.window_start FROM (SELECT * FROM TABLE(TUMBLE(TABLE auction, DESCRIPTOR(`dateTime`), INTERVAL '2' SECOND))) L WHERE L.id IN (SELECT auction FROM (SELECT * FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '2' SECOND))) R WHERE L.window_start = R.window_start AND L.window_end = R.window_end);

-- window_join_anti
SELECT L.id, L.window_start FROM (SELECT * FROM TABLE(TUMBLE(TABLE auction, DESCRIPTOR(`dateTime`), INTERVAL '2' SECOND))) L WHERE NOT EXISTS (SELECT 1 FROM (SELECT * FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '2' SECOND))) R WHERE L.window_start = R.window_start AND L.window_end = R.window_end AND L.id = R.auction);

-- topn_global
SELECT * FROM (SELECT auction, bidder, price, ROW_NUMBER() OVER (ORDER BY price DESC, auction, bidder) AS rn FROM bid) WHERE rn <= 10;

-- topn_norank
SELECT auction, price FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY channel ORDER BY price DESC, auction, bidder) AS rn FROM bid WHERE channel IN ('Apple','Google')) WHERE rn <= 4;

-- topn_updating
SELECT * FROM (SELECT auction, c, ROW_NUMBER() OVER (ORDER BY c DESC, auction) AS rn FROM (SELECT auction, COUNT(*) AS c FROM bid GROUP BY auction)) WHERE rn <= 10;

-- topn_updating_asc
SELECT * FROM (SELECT m, auction, c, ROW_NUMBER() OVER (PARTITION BY m ORDER BY c ASC, auction DESC) AS rn FROM (SELECT auction, MOD(auction, 5) AS m, COUNT(*) AS c FROM bid GROUP BY auction)) WHERE rn <= 3;

-- topn_retract
SELECT * FROM (SELECT k, s, ROW_NUMBER() OVER (ORDER BY s DESC, k) AS rn FROM (SELECT c AS k, COUNT(*) AS s FROM (SELECT bidder, COUNT(*) AS c FROM bid GROUP BY bidder) GROUP BY c)) WHERE rn <= 5;

-- topn_range
SELECT * FROM (SELECT auction, bidder, price, ROW_NUMBER() OVER (PARTITION BY channel ORDER BY price DESC, auction, bidder) AS rn FROM bid WHERE channel = 'Apple') WHERE rn BETWEEN 3 AND 6;

-- topn_limit
SELECT auction, price, bidder FROM bid ORDER BY price DESC, auction, bidder LIMIT 7;

-- order_limit_offset
SELECT auction, price, bidder FROM bid ORDER BY price DESC, auction, bidder LIMIT 5 OFFSET 3;

-- dedup_first
SELECT auction, `dateTime`, price FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY auction ORDER BY `dateTime` ASC) AS rn FROM bid) WHERE rn = 1;

-- dedup_last
SELECT bidder, `dateTime` FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY bidder ORDER BY `dateTime` DESC) AS rn FROM bid) WHERE rn = 1;

-- dedup_agg
SELECT COUNT(*), SUM(price) FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY bidder, channel ORDER BY `dateTime` DESC) AS rn FROM bid) WHERE rn = 1;

-- cte
WITH x AS (SELECT auction, MAX(price) AS mx FROM bid GROUP BY auction), y AS (SELECT id, category FROM auction) SELECT category, COUNT(*), MAX(mx) FROM x JOIN y ON x.auction = y.id GROUP BY category;

-- values_join
SELECT A.id, V.label FROM auction A JOIN (VALUES (10, 'ten'), (11, 'eleven')) AS V(category, label) ON A.category = V.category WHERE A.id < 1100;

-- unnest
SELECT id, w FROM auction CROSS JOIN UNNEST(SPLIT(itemName, ' ')) AS T(w) WHERE category = 10;

-- unnest_agg
SELECT w, COUNT(*) FROM (SELECT w FROM auction CROSS JOIN UNNEST(SPLIT(itemName, ' ')) AS T(w)) GROUP BY w HAVING COUNT(*) > 1;

-- unnest_map
SELECT id, k, v FROM (SELECT id, MAP['a', reserve, 'b', initialBid] AS m FROM auction WHERE id < 1020) CROSS JOIN UNNEST(m) AS T(k, v);

-- unnest_ordinality
SELECT id, w, o FROM auction CROSS JOIN UNNEST(SPLIT(itemName, ' ')) WITH ORDINALITY AS T(w, o) WHERE category = 10;

-- row_access
SELECT nexmark.bid.price, nexmark.bid.channel FROM nexmark WHERE nexmark.bid.price > 5000000;

-- row_construct
SELECT id, ROW(name, city) AS r, ARRAY[id, id + 1] AS a, MAP['x', state] AS m FROM person WHERE id < 1020;

-- case_types
SELECT auction, CASE WHEN price < 1000 THEN 1 WHEN price < 10000 THEN 2.5 ELSE NULL END, COALESCE(NULLIF(channel, 'Apple'), 'none'), IF(price > 5, 'a', 'bcd') FROM bid WHERE auction < 1010;

-- strings
SELECT id, UPPER(name) || '-' || city, CHAR_LENGTH(emailAddress), SUBSTRING(creditCard, 1, 4), REGEXP_EXTRACT(emailAddress, '([a-z]+)@([a-z]+)', 2), SPLIT_INDEX(name, ' ', 1) FROM person WHERE id < 1050;

-- dates
SELECT id, DATE_FORMAT(`dateTime`, 'yyyy-MM-dd HH:mm'), EXTRACT(MINUTE FROM `dateTime`), FLOOR(`dateTime` TO SECOND), TIMESTAMPDIFF(SECOND, `dateTime`, expires), expires - INTERVAL '1' DAY, CAST(`dateTime` AS DATE) FROM auction WHERE id < 1050;

-- global_two_phase
SELECT COUNT(*), COUNT(DISTINCT c) FROM (SELECT channel AS c FROM bid);

-- nested_agg_windows
SELECT window_start, MAX(c), MIN(c) FROM (SELECT window_start, window_end, auction, COUNT(*) AS c FROM TABLE(HOP(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '1' SECOND, INTERVAL '2' SECOND)) GROUP BY window_start, window_end, auction) GROUP BY window_start, window_end;

-- group_by_window_start_only
SELECT window_start, COUNT(*) FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '2' SECOND)) GROUP BY window_start;

-- group_by_alias_window
SELECT ws, COUNT(*) FROM (SELECT window_start AS ws, window_end AS we, price FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '2' SECOND))) GROUP BY ws, we;

-- window_filter_aggs
SELECT window_start, COUNT(*) FILTER (WHERE price > 1000), SUM(DISTINCT MOD(price, 10)), AVG(CAST(price AS DOUBLE)), FIRST_VALUE(channel), LAST_VALUE(channel) FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '5' SECOND)) GROUP BY window_start, window_end;

-- window_listagg
SELECT window_start, seller, LISTAGG(CAST(id AS STRING)), STDDEV_POP(reserve), ARRAY_AGG(category), COLLECT(category) FROM TABLE(TUMBLE(TABLE auction, DESCRIPTOR(`dateTime`), INTERVAL '5' SECOND)) GROUP BY window_start, window_end, seller;

-- between_sym
SELECT auction FROM bid WHERE price BETWEEN SYMMETRIC 1100 AND 1000;

-- like
SELECT DISTINCT channel FROM bid WHERE channel LIKE 'channel-1%0' OR channel LIKE '%oo%';

-- window_having
SELECT window_start, auction, COUNT(*) AS c FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '2' SECOND)) GROUP BY window_start, window_end, auction HAVING COUNT(*) > 30;

-- window_union
SELECT window_start, COUNT(*) FROM TABLE(TUMBLE(TABLE both_, DESCRIPTOR(`dateTime`), INTERVAL '2' SECOND)) GROUP BY window_start, window_end;

-- count_multi_distinct
SELECT COUNT(DISTINCT channel), COUNT(DISTINCT auction), COUNT(DISTINCT bidder), COUNT(DISTINCT price), COUNT(DISTINCT MOD(price, 100)) FROM bid;

-- in_list
SELECT COUNT(*) FROM bid WHERE channel IN ('Apple', 'Google', 'x') AND price NOT IN (1, 2, 3);

-- limit_only
SELECT auction FROM bid LIMIT 5;

-- filter_on_update
SELECT auction, c FROM (SELECT auction, COUNT(*) AS c FROM bid GROUP BY auction) WHERE MOD(c, 2) = 1;

-- session_filter_fused
SELECT window_start, window_end, bidder, COUNT(*) FROM TABLE(SESSION(TABLE bid PARTITION BY bidder, DESCRIPTOR(`dateTime`), INTERVAL '1' SECOND)) WHERE channel IN ('Apple','Google') GROUP BY window_start, window_end, bidder;

-- session_filter_fewer
SELECT window_start, window_end, COUNT(*) FROM TABLE(SESSION(TABLE bid PARTITION BY bidder, DESCRIPTOR(`dateTime`), INTERVAL '1' SECOND)) WHERE channel IN ('Apple','Google') GROUP BY window_start, window_end;

-- session_plain_filter
SELECT bidder, auction, window_start, window_end FROM TABLE(SESSION(TABLE bid PARTITION BY bidder, DESCRIPTOR(`dateTime`), INTERVAL '1' SECOND)) WHERE price > 1000000 AND bidder > 2002;
-- window_of_updating
SET 'pipeline.auto-watermark-interval' = '1 h';
SELECT window_start, COUNT(*), SUM(price) FROM TABLE(TUMBLE(TABLE lastbid, DESCRIPTOR(dateTime), INTERVAL '2' SECOND))
GROUP BY window_start, window_end;
