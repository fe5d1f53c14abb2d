"""Messages to people on AWS: a topic per notice, and an e-mail subscription for each address behind it.

AWS asks each address whether it wants messages; until somebody has said yes there, none come.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from troposphere import GetAtt, Ref, sns

from penstock.cloudformation import ACCOUNT, STACK, Stack, camel, only_for, policy, sub, tls_only
from penstock.declaration import MAIL_ADDRESS, PLAIN_MAIL, Declaration, Notice
from penstock.notices.targets import OUTBOX, deployed_notices


@dataclass(frozen=True)
class Topic:
    """Where messages of a notice go.

    Attributes:
        notice: The notice; None for the topic of all alarms, whose address is the owner's.
        title: The topic's logical id.
    """

    notice: Notice | None
    title: str


def addresses(declaration: Declaration, notice: Notice) -> list[str]:
    """Who gets a notice's messages, as the declaration writes it: roles are their contacts."""
    found: list[str] = []
    for receiver in notice.receivers:
        found += declaration.access[receiver].contacts if receiver in declaration.access else [receiver]
    return list(dict.fromkeys(found))


def render(stack: Stack, declaration: Declaration) -> Sequence[Topic]:
    """Add topics and subscriptions; gives the topics."""
    topics = [Topic(None, "AlarmTopic")]
    _topic(stack, "AlarmTopic", "alarms", f"Alarms of the lake {stack.lake}")
    _owner(stack, declaration.aws.owner or "")
    for name, notice in deployed_notices(declaration):
        title = f"Notice{camel(name)}"
        _topic(stack, title, f"notice-{name}", f"{stack.lake}: {name}")
        mails = list(filter(None, map(PLAIN_MAIL.match, addresses(declaration, notice))))
        for text in _unheard(declaration, name, notice):
            stack.note(text)
        for at, mail in enumerate(mails, start=1):
            _subscribe(stack, f"{title}Mail{at}", title, mail["address"])
        topics.append(Topic(notice, title))
    return topics


def _unheard(declaration: Declaration, name: str, notice: Notice) -> Iterator[str]:
    """Receivers that are nobody's mail address: their messages are in the topic, for whoever subscribes to it."""
    there = (
        f"on AWS, it gets nothing until somebody subscribes to the topic {declaration.aws.stack_name(declaration.lake)}"
    )
    for receiver in dict.fromkeys(notice.receivers):
        role = declaration.access.get(receiver)
        if role is not None and not role.contacts:
            yield f"notices.{name} tells the role {receiver}, which has no contacts: {there}-notice-{name}"
        for address in role.contacts if role is not None else [receiver]:
            if address.startswith(OUTBOX):
                yield f'notices.{name} tells "{address}", which is a folder on this machine: {there}-notice-{name}'


def _owner(stack: Stack, address: str) -> None:
    pattern = f"^$|{MAIL_ADDRESS}"
    owner = stack.parameter(
        "OwnerEmail", address, "Address that all alarms are told to; nobody when empty", AllowedPattern=pattern
    )
    _subscribe(stack, "AlarmMail", "AlarmTopic", owner, Condition=stack.condition("HasOwnerEmail", "OwnerEmail"))


def _topic(stack: Stack, title: str, name: str, words: str) -> None:
    topic = sns.Topic(
        title,
        TopicName=sub(f"{STACK}-{name}"),
        DisplayName=words,
        KmsMasterKeyId=GetAtt("Key", "Arn"),
    )
    stack.add(topic)
    here: dict[str, Any] = {"Resource": f"${{{title}}}"}
    alarms = f"arn:${{AWS::Partition}}:cloudwatch:${{AWS::Region}}:{ACCOUNT}:alarm:{STACK}-*"
    from_alarms = {
        "Sid": "FromAlarms",
        "Effect": "Allow",
        "Principal": {"Service": "cloudwatch.amazonaws.com"},
        "Action": "sns:Publish",
        "Condition": only_for(alarms),
    }
    document = policy(tls_only("sns:Publish", here["Resource"]), from_alarms | here)
    stack.add(sns.TopicPolicy(f"{title}Policy", Topics=[topic.ref()], PolicyDocument=document))


def _subscribe(stack: Stack, title: str, topic: str, address: Any, **more: Any) -> None:
    stack.add(sns.SubscriptionResource(title, TopicArn=Ref(topic), Protocol="email", Endpoint=address, **more))
