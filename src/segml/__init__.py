"""segml: segments, predictions and campaign lists from a company's own customer data."""
