import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.List;
import java.util.Locale;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.avro.Conversions;
import org.apache.avro.Schema;
import org.apache.avro.data.TimeConversions;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.EncoderFactory;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Produced;

/** The work of every contender on Kafka Streams; by_hand.py says the same. Arguments: the job, threads, folder of schemas. */
public final class Transform {
    private static final byte[] TARGET_HEADER = {0, 0, 0, 0, 2};

    private final ObjectMapper json = new ObjectMapper();
    private final Schema store;
    private final Schema placed;
    private final Schema line;
    private final GenericData data = new GenericData();
    private final GenericDatumReader<GenericRecord> orders;
    private final GenericDatumReader<GenericRecord> envelopes;
    private final GenericDatumWriter<GenericRecord> writer;
    private final boolean isJson;
    private BinaryDecoder decoder;
    private BinaryEncoder encoder;

    private Transform(Schema store, Schema placed, Schema fetched, boolean isJson) {
        this.store = store;
        this.placed = placed;
        this.line = placed.getField("lines").schema().getElementType();
        this.isJson = isJson;
        data.addLogicalTypeConversion(new Conversions.DecimalConversion());
        data.addLogicalTypeConversion(new TimeConversions.TimestampMicrosConversion());
        orders = new GenericDatumReader<>(store, store, data);
        envelopes = new GenericDatumReader<>(fetched, fetched, data);
        writer = new GenericDatumWriter<>(placed, data);
    }

    public static void main(String[] args) throws Exception {
        JsonNode job = new ObjectMapper().readTree(args[0]);
        File folder = new File(args[2]);
        boolean isJson = job.get("form").asText().equals("json");
        Schema store = new Schema.Parser().parse(new File(folder, "benchmarks/transforming/store_order.avsc"));
        Schema placed = new Schema.Parser().parse(new File(folder, "benchmarks/transforming/placed_order.avsc"));
        Schema fetched = new Schema.Parser().parse(new File(folder, "schemas/bus/fetched.avsc"));

        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, job.get("group").asText());
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, job.get("kafka").asText());
        settings.put(StreamsConfig.STATE_DIR_CONFIG, job.get("folder").asText());
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, args[1]);
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.AT_LEAST_ONCE);
        settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, "1000");
        settings.put("auto.offset.reset", "earliest");
        settings.put(StreamsConfig.producerPrefix("acks"), "all");
        settings.put(StreamsConfig.producerPrefix("linger.ms"), "5");

        ThreadLocal<Transform> mine = ThreadLocal.withInitial(() -> new Transform(store, placed, fetched, isJson));
        StreamsBuilder builder = new StreamsBuilder();
        builder.stream(job.get("source").asText(), Consumed.with(Serdes.ByteArray(), Serdes.ByteArray()))
            .mapValues(value -> mine.get().transformed(value))
            .to(job.get("target").asText(), Produced.with(Serdes.ByteArray(), Serdes.ByteArray()));

        KafkaStreams streams = new KafkaStreams(builder.build(), settings);
        CountDownLatch stopped = new CountDownLatch(1);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            streams.close(Duration.ofSeconds(10));
            stopped.countDown();
        }));
        streams.start();
        stopped.await();
    }

    private byte[] transformed(byte[] value) {
        try {
            GenericRecord order = isJson ? fromJson(value) : read(orders, value);
            ByteArrayOutputStream out = new ByteArrayOutputStream(value.length + 64);
            out.write(TARGET_HEADER);
            encoder = EncoderFactory.get().binaryEncoder(out, encoder);
            writer.write(placedFrom(order), encoder);
            encoder.flush();
            return out.toByteArray();
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    private GenericRecord read(GenericDatumReader<GenericRecord> reader, byte[] value) throws IOException {
        decoder = DecoderFactory.get().binaryDecoder(value, TARGET_HEADER.length, value.length - TARGET_HEADER.length, decoder);
        return reader.read(null, decoder);
    }

    private GenericRecord fromJson(byte[] value) throws IOException {
        ByteBuffer body = (ByteBuffer) read(envelopes, value).get("body");
        JsonNode order = json.readTree(body.array(), body.arrayOffset() + body.position(), body.remaining());
        GenericRecord made = new GenericData.Record(store);
        for (String name : List.of("connection", "number", "currency", "customer_name", "customer_email", "purchase_order", "note")) {
            made.put(name, order.get(name).asText());
        }
        made.put("source_version", order.get("source_version").asLong());
        made.put("placed_at", OffsetDateTime.parse(order.get("placed_at").asText()).toInstant());
        for (String name : List.of("shipping", "tax", "total")) {
            made.put(name, new BigDecimal(order.get(name).asText()));
        }
        Schema lineSchema = store.getField("lines").schema().getElementType();
        GenericData.Array<GenericRecord> lines = new GenericData.Array<>(order.get("lines").size(), store.getField("lines").schema());
        for (JsonNode each : order.get("lines")) {
            GenericRecord made_line = new GenericData.Record(lineSchema);
            made_line.put("sku", each.get("sku").asText());
            made_line.put("name", each.get("name").asText());
            made_line.put("quantity", new BigDecimal(each.get("quantity").asText()));
            made_line.put("price", new BigDecimal(each.get("price").asText()));
            lines.add(made_line);
        }
        made.put("lines", lines);
        return made;
    }

    private GenericRecord placedFrom(GenericRecord order) {
        List<?> given = (List<?>) order.get("lines");
        BigDecimal subtotal = BigDecimal.ZERO;
        GenericData.Array<GenericRecord> lines = new GenericData.Array<>(given.size(), placed.getField("lines").schema());
        for (Object each : given) {
            GenericRecord item = (GenericRecord) each;
            BigDecimal quantity = (BigDecimal) item.get("quantity");
            BigDecimal price = (BigDecimal) item.get("price");
            String sku = item.get("sku").toString();
            if (sku.isEmpty() || quantity.signum() <= 0) {
                throw new IllegalArgumentException("lines: no sku, or a quantity that is not positive");
            }
            BigDecimal extended = quantity.multiply(price).setScale(2, RoundingMode.HALF_EVEN);
            subtotal = subtotal.add(extended);
            GenericRecord made = new GenericData.Record(line);
            made.put("sku", sku);
            made.put("description", item.get("name").toString().strip());
            made.put("quantity", quantity);
            made.put("unit_price", price);
            made.put("extended", extended);
            lines.add(made);
        }
        BigDecimal shipping = (BigDecimal) order.get("shipping");
        BigDecimal tax = (BigDecimal) order.get("tax");
        BigDecimal total = (BigDecimal) order.get("total");
        if (lines.isEmpty() || subtotal.add(shipping).add(tax).compareTo(total) != 0) {
            throw new IllegalArgumentException("total: no lines, or parts that do not add up");
        }
        GenericRecord made = new GenericData.Record(placed);
        made.put("id", order.get("connection") + ":" + order.get("number"));
        made.put("source_version", order.get("source_version"));
        made.put("ordered_at", (Instant) order.get("placed_at"));
        made.put("number", order.get("number"));
        made.put("currency", order.get("currency").toString().toUpperCase(Locale.ROOT));
        made.put("customer_name", order.get("customer_name").toString().strip());
        made.put("customer_email", order.get("customer_email"));
        made.put("purchase_order", order.get("purchase_order").toString().strip());
        made.put("lines", lines);
        made.put("subtotal", subtotal);
        made.put("shipping", shipping);
        made.put("tax", tax);
        made.put("total", total);
        made.put("note", order.get("note").toString().strip());
        return made;
    }
}
