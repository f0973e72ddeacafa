// The volume of every user, from Kafka, exact under reorgs: `java -cp "kafka-clients.jar:jackson-databind.jar:…" Volume.java BROKERS [PREFIX]`.
//
// It reads both topics from their beginning to their end and prints the sums; nothing is stored, so a restart counts from nothing.
// What makes it right: `read_committed`, so that nothing of an aborted transaction is counted; a trade is kept by its name, so that
// one that is published again (first observed, later final) counts once; a revert removes it.

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.math.BigDecimal;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.StringDeserializer;

public class Volume {
    private static final List<String> TOPICS = List.of("trades.executed.v1", "trades.history.v1");
    private static final ObjectMapper JSON = new ObjectMapper();

    /** A trade's name: a trade that is detected again may be charged to another trader, and both exist until one is reverted. */
    record Name(String tradeId, String trader) {}

    record Counted(String user, BigDecimal usd) {}

    public static void main(String[] arguments) throws Exception {
        String prefix = arguments.length > 1 ? arguments[1] : "";
        Properties settings = new Properties();
        settings.put(ConsumerConfig.BOOTSTRAP_SERVERS_CONFIG, arguments[0]);
        settings.put(ConsumerConfig.ISOLATION_LEVEL_CONFIG, "read_committed");
        settings.put(ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, false);
        settings.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "none");
        Map<Name, Counted> present = new HashMap<>();
        try (var consumer = new KafkaConsumer<>(settings, new StringDeserializer(), new ByteArrayDeserializer())) {
            List<TopicPartition> partitions = new ArrayList<>();
            for (String topic : TOPICS) {
                consumer.partitionsFor(prefix + topic).forEach(one -> partitions.add(new TopicPartition(one.topic(), one.partition())));
            }
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
            while (partitions.stream().anyMatch(one -> consumer.position(one) < ends.get(one))) {
                for (ConsumerRecord<String, byte[]> record : consumer.poll(Duration.ofSeconds(1))) {
                    apply(present, JSON.readTree(record.value()));
                }
            }
        }
        Map<String, BigDecimal> volumes = new TreeMap<>();
        present.values().forEach(one -> volumes.merge(one.user(), one.usd(), BigDecimal::add));
        Map<String, String> shown = new TreeMap<>();
        volumes.forEach((user, usd) -> shown.put(user, usd.toPlainString()));
        System.out.println(JSON.writeValueAsString(shown));
    }

    /** Adds a trade, or takes it back. Both may come twice. */
    private static void apply(Map<Name, Counted> present, JsonNode trade) {
        String trader = trade.at("/trader/address").asText();
        Name name = new Name(trade.get("tradeId").asText(), trader);
        if (trade.get("status").asText().equals("reverted")) {
            present.remove(name);
        } else if (trade.get("kind").asText().equals("swap")) {
            BigDecimal usd = new BigDecimal(trade.at("/valuation/notionalUsd").asText("0"));
            present.put(name, new Counted(trade.get("chain").asText() + "/" + trader, usd));
        }
    }
}
