// Stands in for ActiveMQ's interface of this name.

package org.apache.activemq.broker.jmx;

import org.apache.qpid.jms.support.Control;
import org.opentest4j.TestAbortedException;

public class QueueViewMBean {

    private final String name;

    public QueueViewMBean(String name) {
        this.name = name;
    }

    private long number(int at) {
        for (String[] line : Control.list("/queues")) if (line[4].equals(name)) return Long.parseLong(line[at]);
        return 0;
    }

    public long getQueueSize() {
        return number(0);
    }

    public long getInFlightCount() {
        return number(2);
    }

    public void purge() {
        Control.ask("/purge?" + name);
    }

    public long getEnqueueCount() {
        throw new TestAbortedException("asks how many messages ever came, which the admin API does not have");
    }
}
