# A client of Qpid Proton's Python binding for proton.test.ts: sends or receives numbered messages, with both addresses of a
# pair, and says on a line of its own what became of each. One argument: JSON with
#
#   do         "send" or "receive"       urls     one or two
#   address    of the link               count    of messages
#   container  container id              link     name of a durable subscription
#   user, password, mechanisms           ca       file of the certificate to trust
#   pace       send: seconds between two messages
#   manual     receive: settle nothing, close after `count`

import json
import sys

from proton import Message, SSLDomain
from proton.handlers import MessagingHandler
from proton.reactor import Backoff, Container, DurableSubscription

wish = json.loads(sys.argv[1])


def say(*words):
    print(*words, flush=True)


class Client(MessagingHandler):
    def __init__(self):
        super().__init__(prefetch=50, auto_accept=not wish.get("manual", False))
        self.left = list(range(wish["count"]))
        self.sent = {}
        # What was handed to a link that is down goes out when it is up again, besides what is sent anew.
        self.numbers = {}
        self.accepted = set()
        self.got = set()
        self.link = None

    def on_start(self, event):
        options = {key: wish[key] for key in ("user", "password") if key in wish}
        if "mechanisms" in wish:
            options["allowed_mechs"] = wish["mechanisms"]
            options["allow_insecure_mechs"] = True
        if "ca" in wish:
            domain = SSLDomain(SSLDomain.MODE_CLIENT)
            domain.set_trusted_ca_db(wish["ca"])
            domain.set_peer_authentication(SSLDomain.VERIFY_PEER_NAME)
            options["ssl_domain"] = domain
        connection = event.container.connect(urls=wish["urls"], reconnect=Backoff(initial=0.1, max_delay=0.5), **options)
        if wish["do"] == "send":
            self.link = event.container.create_sender(connection, wish["address"])
            if "pace" in wish:
                event.container.schedule(wish["pace"], self)
        else:
            durable = [DurableSubscription()] if "link" in wish else None
            self.link = event.container.create_receiver(
                connection, wish["address"], name=wish.get("link"), options=durable
            )

    def on_connection_opened(self, event):
        say("open", event.connection.remote_container)

    def on_link_opened(self, event):
        say("link")

    def on_sendable(self, event):
        if "pace" not in wish:
            self.send(len(self.left))

    def on_timer_task(self, event):
        self.send(1)
        event.container.schedule(wish["pace"], self)

    def send(self, most):
        while most > 0 and self.link.credit > 0 and self.left:
            most -= 1
            number = self.left.pop(0)
            message = Message(id=number, body=f"m{number}", durable=True, first_acquirer=True)
            tag = self.link.send(message).tag
            self.sent[tag] = self.numbers[tag] = number

    def on_accepted(self, event):
        if event.sender is None:
            return
        number = self.numbers[event.delivery.tag]
        self.sent.pop(event.delivery.tag, None)
        if number not in self.accepted:
            say("accepted", number)
            self.accepted.add(number)
        if not self.sent and not self.left:
            event.connection.close()
            event.container.stop()

    def on_rejected(self, event):
        say("rejected", event.delivery.remote.condition)
        event.connection.close()

    # What was not answered is sent again: it may come twice, and none is lost.
    def on_disconnected(self, event):
        say("disconnected")
        self.left = sorted(self.sent.values()) + self.left
        self.sent = {}

    def on_message(self, event):
        number = event.message.id
        say("got", number, event.message.body, event.message.delivery_count, event.message.first_acquirer)
        self.got.add(number)
        if len(self.got) == wish["count"]:
            if "link" in wish:
                event.receiver.detach()
            event.connection.close()

    def on_link_error(self, event):
        condition = event.link.remote_condition
        say("link error", condition.name, condition.description)
        if not condition.name.startswith("amqp:connection"):
            event.connection.close()

    def on_connection_error(self, event):
        say("connection error", event.connection.remote_condition.name)

    def on_transport_error(self, event):
        condition = event.transport.condition
        say("transport error", condition.name, condition.description)
        # Neither is better at the next try.
        if condition.name == "amqp:unauthorized-access" or "certificate" in (condition.description or ""):
            event.container.stop()


container = Container(Client())
if "container" in wish:
    container.container_id = wish["container"]
container.run()
