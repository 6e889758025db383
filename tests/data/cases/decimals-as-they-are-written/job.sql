CREATE TABLE prices (id INT, price DECIMAL(12, 4))
WITH ('connector' = 'filesystem', 'path' = '${DIR}/prices.csv', 'format' = 'csv');
CREATE TABLE json_plain (id INT, price DECIMAL(12, 4))
WITH ('connector' = 'filesystem', 'path' = '${OUT}/json-plain', 'format' = 'json', 'json.encode.decimal-as-plain-number' = 'true');
CREATE TABLE json_default (id INT, price DECIMAL(12, 4))
WITH ('connector' = 'filesystem', 'path' = '${OUT}/json', 'format' = 'json');
CREATE TABLE csv_plain (id INT, price DECIMAL(12, 4))
WITH ('connector' = 'filesystem', 'path' = '${OUT}/csv-plain', 'format' = 'csv',
    'csv.write-bigdecimal-in-scientific-notation' = 'false');
CREATE TABLE csv_default (id INT, price DECIMAL(12, 4))
WITH ('connector' = 'filesystem', 'path' = '${OUT}/csv', 'format' = 'csv');

EXECUTE STATEMENT SET BEGIN
INSERT INTO json_plain SELECT * FROM prices;
INSERT INTO json_default SELECT * FROM prices;
INSERT INTO csv_plain SELECT * FROM prices;
INSERT INTO csv_default SELECT * FROM prices;
END;
