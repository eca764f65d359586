// The four examples over the shared cases, on the JVM.
import com.google.gson.JsonElement
import com.google.gson.JsonObject
import com.google.gson.JsonParser
import dev.wappa.guest.testing.MockHost
import dev.wappa.guest.testing.MockHost.Input
import dev.wappa.guest.testing.MockHost.Output
import dev.wappa.guest.testing.MockHost.Value
import java.io.ByteArrayOutputStream
import java.nio.file.Files
import java.nio.file.Path
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertTrue
import louder.process as louder
import redact.process as redact
import redact.start as startRedact
import route.process as route
import split.process as split
import split.start as startSplit

class ExamplesTest {
    private val cases: JsonObject =
        JsonParser.parseString(Files.readString(Path.of("../examples/cases.json"))).asJsonObject

    @Test fun `louder appends`() = check("louder", { 0 }, ::louder)

    @Test fun `redact masks`() = check("redact", ::startRedact, ::redact)

    @Test fun `split sends pieces`() = check("split", ::startSplit, ::split)

    @Test fun `route works on metadata`() = check("route", { 0 }, ::route)

    private fun check(example: String, start: () -> Int, process: () -> Unit) {
        val all = cases.getAsJsonArray(example)
        assertTrue(0 < all.size())
        for (case in all.map { it.asJsonObject }) {
            val name = "$example: ${case["name"].asString}"
            val host = MockHost(case.getAsJsonObject("config").entrySet().associate { it.key to it.value.asString })
            assertEquals(null, host.start(start), name)
            val inputs = case.getAsJsonArray("in").map { input(it.asJsonObject) }
            val found = host.process(process, *inputs.toTypedArray())
            val wanted = case.getAsJsonArray("out")
            assertEquals(wanted.size(), found.size, name)
            for ((at, outputs) in wanted.withIndex()) {
                assertEquals(outputs.asJsonArray.size(), found[at].size, name)
                for ((n, output) in outputs.asJsonArray.withIndex()) {
                    compare(name, output.asJsonObject, inputs[at], found[at][n])
                }
            }
        }
    }

    private fun compare(name: String, wanted: JsonObject, input: Input, found: Output) {
        if (wanted.has("failed")) {
            assertEquals(wanted["failed"].asString, found.error, name)
            assertTrue(input.content.contentEquals(found.content), name)
            assertEquals(input.metadata, found.metadata, name)
            return
        }
        val content = wanted["content"]
        if (content.isJsonObject) {
            assertEquals(content.asJsonObject["json"], JsonParser.parseString(found.text), name)
        } else {
            assertTrue(bytes(content).contentEquals(found.content), "$name: ${found.text}")
        }
        assertEquals(metadata(wanted), found.metadata, name)
        assertEquals(wanted["error"]?.asString, found.error, name)
    }

    private fun input(it: JsonObject): Input = Input(bytes(it["content"]), metadata(it), it["error"]?.asString)

    private fun metadata(it: JsonObject): Map<String, Value> =
        it.getAsJsonObject("metadata")?.entrySet()?.associate { (key, value) ->
            val json = (value as? JsonObject)?.get("json")
            key to (json?.let { Value.Json(it.toString()) } ?: Value.of(bytes(value)))
        } ?: emptyMap()

    private fun bytes(it: JsonElement): ByteArray {
        val all = ByteArrayOutputStream()
        for (piece in if (it.isJsonArray) it.asJsonArray.toList() else listOf(it)) {
            if (!piece.isJsonObject) {
                all.write(piece.asString.encodeToByteArray())
                continue
            }
            val fields = piece.asJsonObject
            fields["hex"]?.let { hex -> all.write(hex.asString.chunked(2).map { it.toInt(16).toByte() }.toByteArray()) }
            fields["repeat"]?.let { all.write(it.asString.repeat(fields["times"].asInt).encodeToByteArray()) }
        }
        return all.toByteArray()
    }
}
