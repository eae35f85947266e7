"""What happens to a case: rules only, no broker, no network, no model runtime. Start at ``pipeline``."""
