"""Before, during and after: budgets that hold, totals of a block, and the ledger of calls."""
