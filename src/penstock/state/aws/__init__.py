"""The state store in one DynamoDB table, for functions on AWS and for people who look at what they do."""

from penstock.state.aws.database import ACTIONS
from penstock.state.aws.leases import LEASE_SECONDS
from penstock.state.aws.state import DynamoState

__all__ = ["ACTIONS", "LEASE_SECONDS", "DynamoState"]
