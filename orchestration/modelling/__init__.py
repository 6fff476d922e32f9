"""The dbt models as assets, and when they are owed a build."""
