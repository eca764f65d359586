// Where the guest is in its sources, which only the build knows: `tools/BuildGuest.java` has the compiled guest put the
// number of the file, and in the lower 20 bits that of the line, into `place`, and makes `sourceOf`.
package dev.wappa.guest

internal var place: Int = 0

/** The line of the guest's sources that threw, or called what threw. */
internal fun placeOf(@Suppress("UNUSED_PARAMETER") thrown: Throwable): String? {
    val at = place
    place = 0
    return if (at == 0) null else "${sourceOf(at ushr 20)}:${at and 0xfffff}"
}
