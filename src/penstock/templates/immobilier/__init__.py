"""Template `immobilier`: real-estate listings scraped from French sites, with realistic, dirty sample data."""
