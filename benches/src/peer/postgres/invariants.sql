-- Each is the number of rows that break it.
SELECT
    (SELECT count(*) FROM (SELECT 1 FROM entry GROUP BY vend HAVING sum(amount) <> 0) AS broken)
        AS transactions_that_do_not_sum_to_0,
    (SELECT count(*) FROM account LEFT JOIN (
        SELECT account, sum(amount) AS amount FROM entry GROUP BY account
    ) AS fold ON fold.account = id WHERE balance <> coalesce(amount, 0))
        AS balances_that_are_not_their_entries,
    (SELECT count(*) FROM account LEFT JOIN (
        SELECT wallet, sum(vend.held) AS held FROM vend WHERE captured IS NULL GROUP BY wallet
    ) AS live ON live.wallet = id WHERE account.held <> coalesce(live.held, 0))
        AS holds_that_are_not_their_vends;
