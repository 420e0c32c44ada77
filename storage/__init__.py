"""What the product keeps: the accepted log, findings, alerts, evidence, accounts. SQLAlchemy 2 with Alembic."""
