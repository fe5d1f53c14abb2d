"""Template `orders`: orders and customers from CSV files, with realistic, dirty sample data."""
