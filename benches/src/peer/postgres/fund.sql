-- Account 0 is the issuer, then come the operators, then the wallets. Nothing is in a wallet that
-- no entry has put there.
INSERT INTO account (id, is_issuer, balance) VALUES (0, true, -:funds::bigint * :wallets);
INSERT INTO account (id, balance) SELECT id, 0 FROM generate_series(1, :operators) AS id;
INSERT INTO account (id, balance)
    SELECT :operators + nth, :funds FROM generate_series(1, :wallets) AS nth;
INSERT INTO entry (vend, account, amount)
    SELECT -nth, :operators + nth, :funds FROM generate_series(1, :wallets) AS nth
    UNION ALL SELECT -nth, 0, -:funds FROM generate_series(1, :wallets) AS nth;

SELECT setseed(0.5);
INSERT INTO batch
    SELECT number,
        array_agg(:operators + 1 + floor(random() * :wallets)::bigint),
        array_agg(CASE WHEN random() * 100 < :hot THEN 1 ELSE 1 + floor(random() * :operators)::bigint END),
        array_agg(:held::bigint),
        array_agg(:price::bigint)
    FROM generate_series(1, 256) AS number, generate_series(1, :batch) AS nth
    GROUP BY number;
VACUUM ANALYZE;
CHECKPOINT;
