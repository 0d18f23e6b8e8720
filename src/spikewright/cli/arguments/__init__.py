"""The options of each verb. Light: a verb is imported only when it runs."""
