// Runs the guest on a host for tests, without WebAssembly.
import dev.wappa.guest.testing.MockHost
import dev.wappa.guest.testing.MockHost.Input
import dev.wappa.guest.testing.MockHost.Value
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertNull

class GuestTest {
    @Test
    fun `greets and leaves out those without a name`() {
        val host = MockHost(mapOf("greeting" to "welcome"))
        assertNull(host.start(::start))
        val (greeted, nobody) = host.process(::process, Input("ann"), Input(""))
        assertEquals("welcome, ann!", greeted.single().text)
        assertEquals(mapOf<String, Value>("greeted" to Value.Json("true")), greeted.single().metadata)
        assertEquals(emptyList(), nobody)
        assertEquals(1, host.counter("greeted"))
    }

    @Test
    fun `what is no text fails`() {
        val host = MockHost()
        val (failed) = host.process(::process, Input(byteArrayOf(-1)))
        assertEquals("the content is not UTF-8", failed.single().error)
    }
}
