// What the library promises, on the mock host.
import dev.wappa.guest.Message
import dev.wappa.guest.config
import dev.wappa.guest.count
import dev.wappa.guest.prepare
import dev.wappa.guest.refuse
import dev.wappa.guest.serve
import dev.wappa.guest.testing.MockHost
import dev.wappa.guest.testing.MockHost.Input
import dev.wappa.guest.testing.MockHost.Value
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertNull

class GuestTest {
    private fun run(vararg inputs: Input, process: (Message) -> Unit) =
        MockHost().process({ serve(process) }, *inputs)

    @Test
    fun `an exception fails its message and no other`() {
        val (first, second, third) =
            run(Input("a"), Input("b", mapOf("k" to "v")), Input("c")) {
                it.metadata["seen"] = true
                if (it.text == "b") throw IllegalStateException("no b", RuntimeException("cause"))
                it.text += "!"
            }
        assertEquals("a!", first.single().text)
        assertEquals("IllegalStateException: no b: RuntimeException: cause, at GuestTest.kt:25", second.single().error)
        assertEquals(mapOf<String, Value>("k" to Value.Text("v")), second.single().metadata)
        assertEquals("b", second.single().text)
        assertEquals("c!", third.single().text)
    }

    @Test
    fun `a refusal is its reason alone`() {
        val (out) = run(Input("a")) { refuse("not today") }
        assertEquals("not today", out.single().error)
    }

    @Test
    fun `metadata have types`() {
        val (out) =
            run(Input("", mapOf("n" to 5, "b" to byteArrayOf(-1)))) {
                val metadata = it.metadata
                assertEquals("5", metadata["n"])
                assertEquals("5", metadata.json("n"))
                assertEquals(listOf("b", "n"), metadata.keys)
                assertNull(metadata["missing"])
                metadata["text"] = "t"
                metadata["double"] = 1.5
                metadata["long"] = 1L shl 40
                assertFailsWith<IllegalArgumentException> { metadata["nan"] = Double.NaN }
                assertEquals(true, metadata.remove("b"))
                assertEquals(false, metadata.remove("b"))
                metadata["bytes"] = byteArrayOf(-2)
            }
        val wanted =
            mapOf(
                "bytes" to Value.Bytes(byteArrayOf(-2)),
                "double" to Value.Json("1.5"),
                "long" to Value.Json("1099511627776"),
                "n" to Value.Json("5"),
                "text" to Value.Text("t"),
            )
        assertEquals<Map<String, Value>>(wanted, out.single().metadata)
    }

    @Test
    fun `what is emitted stays as it was`() {
        val (out) =
            run(Input("a")) {
                it.emit()
                it.text = "b"
                it.emit()
                it.filter()
            }
        assertEquals(listOf("a", "b"), out.map { it.text })
    }

    @Test
    fun `what it throws keeps a stream from starting`() {
        val host = MockHost(mapOf("a" to "b"))
        assertNull(host.start { prepare { assertEquals("b", config["a"]) } })
        assertEquals("give it a name", host.start { prepare { refuse("give it a name") } })
    }

    @Test
    fun `counters have names and grow`() {
        val host = MockHost()
        host.process({ serve { count("n", 2); count("n") } }, Input(""))
        assertEquals(3, host.counter("n"))
        assertFailsWith<IllegalArgumentException> { count("no name") }
        assertFailsWith<IllegalArgumentException> { count("n", -1) }
    }
}
