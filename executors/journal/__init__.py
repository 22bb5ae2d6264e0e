"""What runs leave behind: intents, results and events, kept so that nothing recorded is ever paid for again."""
