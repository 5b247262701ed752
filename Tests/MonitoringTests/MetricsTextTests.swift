import Monitoring
import Testing

/// Pages as Prometheus' text format 0.0.4 has them.
struct MetricsTextTests {
  @Test func familiesHaveHelpTypeAndSamples() {
    var text = MetricsText()
    text.add("a_total", .counter, "What there was.", 3)
    text.add("b", .gauge, "By link.", [.init(1.5, ["from": "0", "to": "1"]), .init(2, ["from": "1", "to": "0"])])
    #expect(
      text.description == """
        # HELP a_total What there was.
        # TYPE a_total counter
        a_total 3
        # HELP b By link.
        # TYPE b gauge
        b{from="0",to="1"} 1.5
        b{from="1",to="0"} 2

        """)
  }

  @Test func whatIsNotKnownIsLeftOut() {
    var text = MetricsText()
    text.add("a", .gauge, "Nothing.", nil)
    text.add("b", .gauge, "None.", [])
    #expect(text.description.isEmpty)
  }

  @Test func textIsEscapedAndNumbersAreWhatPrometheusReads() {
    var text = MetricsText()
    text.add(
      "a", .gauge, "A \\ and\na line.",
      [.init(.nan, ["name": "x\"\\\ny"]), .init(.infinity), .init(-.infinity)])
    #expect(text.description.contains(#"# HELP a A \\ and\na line."#))
    #expect(text.description.contains(#"a{name="x\"\\\ny"} NaN"#))
    #expect(text.description.contains("\na +Inf\na -Inf\n"))
    var large = MetricsText()
    large.add("a", .counter, "Bytes.", 9_007_199_254_740_992)
    #expect(large.description.hasSuffix("a 9007199254740992\n"))
  }
}
