# A client of Debian's paho-mqtt for paho-client.test.ts: publishes numbered messages, or subscribes and says what comes,
# with both addresses of a pair. One argument: JSON with
#
#   do        "publish" or "subscribe"    ports    of both servers
#   version   4 or 5                      transport  "tcp" or "websockets"
#   id, topic, qos, count                 clean    false: the session lasts
#   pace      seconds between two messages
#   user, password                        ca       file of the certificate to trust
#   log       true: says which packets it sends

import json
import re
import ssl
import sys
import threading
import time

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

wish = json.loads(sys.argv[1])
done = threading.Event()
came = set()
acknowledged = []


def say(*words):
    print(*words, flush=True)


def on_connect(client, _, flags, rc, properties=None):
    present = flags["session present"]
    say("connected" if rc == 0 else "refused", int(getattr(rc, "value", rc)), present)
    if rc != 0:
        done.set()
    elif wish["do"] == "subscribe":
        client.subscribe(wish["topic"], wish["qos"])
    else:
        threading.Thread(target=publish, args=(client,), daemon=True).start()


started = False


def publish(client):
    global started
    if started:
        return
    started = True
    # What is not answered the library sends again itself when it is connected again.
    for number in range(wish["count"]):
        while number - len(acknowledged) > 15:
            time.sleep(0.001)
        time.sleep(wish.get("pace", 0))
        say("number", number, "has", client.publish(wish["topic"], str(number), wish["qos"]).mid)


def on_publish(client, _, mid):
    acknowledged.append(mid)
    say("acknowledged", len(acknowledged))
    if len(acknowledged) == wish["count"]:
        done.set()


def on_subscribe(client, _, mid, granted, properties=None):
    say("subscribed", *[int(getattr(code, "value", code)) for code in granted])
    if wish["count"] == 0:
        done.set()


def on_message(client, _, message):
    say("message", message.topic, message.qos, message.payload.decode(), int(message.dup))
    came.add(message.payload)
    if len(came) == wish["count"]:
        done.set()


# "Sending PUBLISH (d0, q2, r0, m7), ..." and "Sending PUBREL (m7)", or with "Mid: 7".
def on_log(client, _, level, text):
    sent = re.match(r"Sending (PUBLISH|PUBREL) \((?:.*?\b)?m(?:id: )?(\d+)\)", text, re.IGNORECASE)
    if sent:
        say("sent", sent.group(1), sent.group(2))


def on_disconnect(client, _, rc, properties=None):
    say("disconnected")


client = mqtt.Client(
    wish["id"],
    protocol=wish["version"],
    transport=wish.get("transport", "tcp"),
    **({"clean_session": wish.get("clean", True)} if wish["version"] == 4 else {}),
)
client.on_connect = on_connect
client.on_publish = on_publish
client.on_subscribe = on_subscribe
client.on_message = on_message
client.on_disconnect = on_disconnect
if wish.get("log"):
    client.on_log = on_log
client.max_inflight_messages_set(20)
if "user" in wish:
    client.username_pw_set(wish["user"], wish["password"])
if "ca" in wish:
    client.tls_set(wish["ca"], cert_reqs=ssl.CERT_REQUIRED)
options = {}
if wish["version"] == 5:
    options["clean_start"] = wish.get("clean", True)
    if not options["clean_start"]:
        options["properties"] = Properties(PacketTypes.CONNECT)
        options["properties"].SessionExpiryInterval = 3600


# The library knows one address: the other one is for its user to try.
def turn():
    at = 0
    while not done.is_set():
        try:
            client.connect("127.0.0.1", wish["ports"][at % len(wish["ports"])], 30, **options)
            while client.loop(0.05) == mqtt.MQTT_ERR_SUCCESS and not done.is_set():
                pass
        except (OSError, ValueError, mqtt.WebsocketConnectionError):
            pass
        at += 1
        time.sleep(0.05)
    client.disconnect()
    client.loop(0.1)


turn()
