"""Template `consultations`: medical consultations from CSV files, with realistic, dirty sample data."""
