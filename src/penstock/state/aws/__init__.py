"""The state store in one DynamoDB table, for functions on AWS and for people who look at what they do."""

from penstock.state.aws.database import ACTIONS
from penstock.state.aws.state import DynamoState
from penstock.state.store import LEASE_SECONDS

__all__ = ["ACTIONS", "LEASE_SECONDS", "DynamoState"]
