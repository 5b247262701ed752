import Foundation
import Testing

@Suite(.serialized) struct ExchangeBenchmarkTests {
  @Test(arguments: [2, 3]) func writesOneLine(ranks: Int) throws {
    let arguments = ["bench", "exchange", "--bytes", "3000000", "--repeat", "2", "--json"]
    let outcome = try Program.run(arguments, ranks: ranks)
    #expect(outcome.exitCode == 0 && outcome.errors.isEmpty, "\(outcome)")
    #expect(outcome.output.split(separator: "\n").count == 1, "\(outcome)")
    let fields = try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
    #expect(fields["benchmark"] as? String == "exchange" && fields["ranks"] as? Int == ranks)
    #expect(fields["hosts"] as? Int == 1 && fields["bytes"] as? Int == 3_000_000)
    // As many as make 8 MiB.
    #expect(fields["messages"] as? Int == 3)
    let milliseconds = try #require(fields["milliseconds"] as? Double)
    let rate = try #require(fields["gigabytes_per_second"] as? Double)
    let bytes = Double(ranks - 1) * 3 * 3_000_000
    #expect(abs(rate * milliseconds * 1e6 - bytes) < 0.01 * bytes, "\(outcome)")
  }

  @Test func hostsAreToldApartByTheirNames() throws {
    let outcome = try Program.run(
      ["bench", "exchange", "--bytes", "1000", "--repeat", "1", "--json"], ranks: 2,
      environment: ["MOE_WORKER_HOST": "somewhere"])
    #expect(outcome.exitCode == 0 && outcome.output.contains(#""hosts": 1"#), "\(outcome)")
  }
}
