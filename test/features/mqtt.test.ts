// What MQTT clients are promised, on a pair of real processes, straight through and across a kill -9.

import { mqttDelivery } from './mqtt-delivery.ts'
import { mqttPackets } from './mqtt-packets.ts'
import { mqttSessions } from './mqtt-sessions.ts'
import { mqttWays } from './mqtt-ways.ts'
import { mqttTopics } from './mqtt-topics.ts'
import { show } from './show.ts'

show('MQTT features of a pair', [mqttDelivery, mqttTopics, mqttPackets, mqttSessions, mqttWays])
