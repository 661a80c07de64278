-- A double-entry ledger with holds, as somebody who knows PostgreSQL would write it: balances and
-- holds kept beside the entries, rows locked in one order, every refusal an exception.

CREATE TABLE account (
    id bigint PRIMARY KEY,
    -- Only the issuer may go below zero.
    is_issuer boolean NOT NULL DEFAULT false,
    balance bigint NOT NULL,
    held bigint NOT NULL DEFAULT 0 CHECK (held >= 0),
    CHECK (is_issuer OR balance >= held)
) WITH (fillfactor = 60);

CREATE TABLE vend (
    id bigint PRIMARY KEY,
    wallet bigint NOT NULL,
    operator bigint NOT NULL,
    held bigint NOT NULL CHECK (held > 0),
    captured bigint CHECK (captured BETWEEN 0 AND held)
) WITH (fillfactor = 80);

CREATE TABLE entry (
    vend bigint NOT NULL,
    account bigint NOT NULL,
    amount bigint NOT NULL
);

-- One vend: opens its session and holds money. Its name makes a repeat harmless.
CREATE FUNCTION hold(vend_id bigint, wallet_id bigint, operator_id bigint, amount bigint) RETURNS void AS $$
BEGIN
    INSERT INTO vend (id, wallet, operator, held) VALUES (vend_id, wallet_id, operator_id, amount)
        ON CONFLICT (id) DO NOTHING;
    IF NOT FOUND THEN RETURN; END IF;
    UPDATE account SET held = held + amount WHERE id = wallet_id AND balance - held >= amount;
    IF NOT FOUND THEN RAISE EXCEPTION 'wallet % has too little', wallet_id; END IF;
END
$$ LANGUAGE plpgsql;

-- Settles it and gives the rest of the hold back.
CREATE FUNCTION capture(vend_id bigint, amount bigint) RETURNS void AS $$
DECLARE
    held_for vend;
BEGIN
    UPDATE vend SET captured = amount WHERE id = vend_id AND captured IS NULL RETURNING * INTO held_for;
    IF NOT FOUND THEN
        PERFORM 1 FROM vend WHERE id = vend_id AND captured = amount;
        IF NOT FOUND THEN RAISE EXCEPTION 'no hold for vend %', vend_id; END IF;
        RETURN;
    END IF;
    UPDATE account SET balance = balance - amount, held = held - held_for.held WHERE id = held_for.wallet;
    INSERT INTO entry (vend, account, amount)
        VALUES (vend_id, held_for.wallet, -amount), (vend_id, held_for.operator, amount);
    -- Last, because many wait for this row.
    UPDATE account SET balance = balance + amount WHERE id = held_for.operator;
END
$$ LANGUAGE plpgsql;

-- Many vends, named from first on. Within a batch those of one wallet are settled in order.
CREATE FUNCTION hold_set(first bigint, wallets bigint[], operators bigint[], amounts bigint[]) RETURNS void AS $$
DECLARE
    asked bigint := cardinality(wallets);
    granted bigint;
BEGIN
    WITH locked AS MATERIALIZED (
        SELECT id, balance - held AS free FROM account WHERE id = ANY (wallets) ORDER BY id FOR NO KEY UPDATE
    ), asked AS (
        SELECT first + nth - 1 AS id, wallet, operator, amount,
            sum(amount) OVER (PARTITION BY wallet ORDER BY nth) AS so_far
        FROM unnest(wallets, operators, amounts) WITH ORDINALITY AS one (wallet, operator, amount, nth)
    ), covered AS MATERIALIZED (
        SELECT asked.* FROM asked JOIN locked ON locked.id = wallet WHERE so_far <= free
    ), kept AS (
        UPDATE account SET held = held + more FROM (
            SELECT wallet, sum(amount)::bigint AS more FROM covered GROUP BY wallet
        ) AS one WHERE id = wallet
    )
    INSERT INTO vend (id, wallet, operator, held) SELECT id, wallet, operator, amount FROM covered;
    GET DIAGNOSTICS granted = ROW_COUNT;
    IF granted <> asked THEN RAISE EXCEPTION '% of % wallets have too little', asked - granted, asked; END IF;
END
$$ LANGUAGE plpgsql;

-- Settles them, and gives the rest of each hold back.
CREATE FUNCTION capture_set(first bigint, amounts bigint[]) RETURNS void AS $$
DECLARE
    asked bigint := cardinality(amounts);
    settled bigint;
BEGIN
    PERFORM 1 FROM account WHERE id = ANY (ARRAY(
        SELECT wallet FROM vend WHERE id >= first AND id < first + asked
        UNION SELECT operator FROM vend WHERE id >= first AND id < first + asked
    )) ORDER BY id FOR NO KEY UPDATE;
    WITH done AS (
        UPDATE vend SET captured = amounts[id - first + 1]
        WHERE id >= first AND id < first + asked AND captured IS NULL
        RETURNING id, wallet, operator, held, captured AS amount
    ), posted AS (
        INSERT INTO entry (vend, account, amount)
        SELECT id, wallet, -amount FROM done UNION ALL SELECT id, operator, amount FROM done
    ), paid AS (
        -- One row for each account: a statement changes a row only once.
        SELECT account, sum(amount)::bigint AS amount, sum(freed)::bigint AS freed FROM (
            SELECT wallet AS account, -amount AS amount, held AS freed FROM done
            UNION ALL SELECT operator, amount, 0 FROM done
        ) AS one GROUP BY account
    ), moved AS (
        UPDATE account SET balance = balance + paid.amount, held = held - freed
        FROM paid WHERE id = paid.account
    )
    SELECT count(*) INTO settled FROM done;
    IF settled <> asked THEN RAISE EXCEPTION '% of % vends have no hold', asked - settled, asked; END IF;
END
$$ LANGUAGE plpgsql;

-- What a caller of the set-based ledger brings along: arrays made in advance, because pgbench, which
-- sends them, cannot make any.
CREATE TABLE batch (
    id bigint PRIMARY KEY,
    wallets bigint[] NOT NULL,
    operators bigint[] NOT NULL,
    holds bigint[] NOT NULL,
    prices bigint[] NOT NULL
);
