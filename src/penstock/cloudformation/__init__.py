"""The CloudFormation template that capabilities add their resources to, and what several of them are made of."""

from penstock.cloudformation.function import SNAPSHOT_STORAGE, Sizes, function
from penstock.cloudformation.parts import ACCOUNT, KEY_ARN, STACK, encrypted_queue, only_for, policy, sub, tls_only
from penstock.cloudformation.stack import Stack, camel

__all__ = [
    "ACCOUNT",
    "KEY_ARN",
    "SNAPSHOT_STORAGE",
    "STACK",
    "Sizes",
    "Stack",
    "camel",
    "encrypted_queue",
    "function",
    "only_for",
    "policy",
    "sub",
    "tls_only",
]
