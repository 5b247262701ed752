import Foundation
import Monitoring
import Testing

/// `train --metrics-port`: what a scraper sees of a run, and what is refused.
@Suite(.serialized) struct MetricsPortTests {
  let folder: Folder
  let text: String

  init() throws {
    folder = try Folder()
    text = try folder.write("text.txt", SampleText.make(bytes: 40_000))
  }

  private func training(_ output: String, _ more: String...) -> [String] {
    SmallRun.training(on: text, into: folder.file(output), more)
  }

  /// Starts a long run, and asks it for its page once a checkpoint is there.
  private func page(ofRunOn ranks: Int) throws -> String {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: Program.launcher)
    process.arguments =
      ["-np", "\(ranks)", Program.executable] + training("run", "--steps", "100000", "--metrics-port", "0")
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = try folder.newFile("output")
    process.standardError = try folder.newFile("errors")
    try process.runWithSignals()
    defer {
      process.terminate()
      process.waitUntilExit()
    }
    let deadline = Date(timeIntervalSinceNow: 60)
    while process.isRunning, Date() < deadline, !(try folder.text("output").contains("saved ")) {
      Thread.sleep(forTimeInterval: 0.02)
    }
    let said = try folder.text("output")
    let address = said.components(separatedBy: "http://127.0.0.1:").last ?? ""
    let port = try #require(UInt16(address.prefix { $0.isNumber }), "\(said)")
    let script = #"exec 3<>/dev/tcp/127.0.0.1/\#(port) && printf 'GET /metrics HTTP/1.0\r\n\r\n' >&3 && cat <&3"#
    return try Program.run("/bin/bash", ["-c", script], [:], limit: 10).output
  }

  private static func value(_ name: String, in page: String) -> Double? {
    page.split(separator: "\n").first { $0.hasPrefix(name + " ") }.flatMap { Double($0.dropFirst(name.count + 1)) }
  }

  @Test func aScraperSeesStepsExpertsAndLinks() throws {
    let page = try page(ofRunOn: 2)
    #expect(page.hasPrefix("HTTP/1.1 200 OK"), "\(page)")
    #expect(Self.value("switchyard_ranks", in: page) == 2 && Self.value("switchyard_last_step", in: page) == 100_000)
    for name in try Self.documentedNames where name != "switchyard_held_out_loss" {
      #expect(page.contains("\n# TYPE \(name) "), "\(name) is missing: \(page)")
    }
    let loads = page.split(separator: "\n").filter { $0.hasPrefix("switchyard_expert_load{") }
      .compactMap { $0.split(separator: " ").last.flatMap { Double($0) } }
    // 256 tokens, each with two experts, in every layer.
    #expect(!loads.isEmpty && loads.reduce(0, +).truncatingRemainder(dividingBy: 512) == 0, "\(page)")
    for link in [#"{from="0",to="1"}"#, #"{from="1",to="0"}"#] {
      #expect(Self.value("switchyard_link_bytes_total" + link, in: page) ?? 0 > 0, "\(page)")
    }
    #expect(Self.value("process_resident_memory_bytes", in: page) ?? 0 > 1e6, "\(page)")
  }

  /// Every name of the page's families is documented, and every documented one is there.
  @Test func theDocumentHasEveryName() throws {
    let page = try page(ofRunOn: 1)
    let types = page.split(separator: "\n").filter { $0.hasPrefix("# TYPE ") }
    let served = types.map { String($0.split(separator: " ")[2]) }
    // One rank has no links, and nothing is held out.
    let elsewhere: Set = ["switchyard_link_bytes_total", "switchyard_held_out_loss"]
    #expect(Set(served) == Set(try Self.documentedNames).subtracting(elsewhere), "\(page)")
  }

  private static var documentedNames: [String] {
    get throws {
      let document = try String(contentsOfFile: "\(FakeHosts.project)/docs/operations.md", encoding: .utf8)
      return document.split(separator: "\n").compactMap { line in
        guard line.hasPrefix("| `switchyard_") || line.hasPrefix("| `process_") else { return nil }
        return String(line.dropFirst(3).prefix { $0 != "`" && $0 != "{" })
      }
    }
  }

  @Test func lookingOnChangesNothing() throws {
    #expect(try Program.run(training("plain"), ranks: 2).exitCode == 0)
    #expect(try Program.run(training("watched", "--metrics-port", "0"), ranks: 2).exitCode == 0)
    let weights = { (run: String) in
      try Data(contentsOf: URL(fileURLWithPath: folder.file("\(run)/checkpoint-6/model.safetensors")))
    }
    #expect(try weights("plain") == weights("watched"))
  }

  @Test(arguments: [1, 2]) func aPortThatIsTakenIsRefused(ranks: Int) throws {
    let other = try MetricsServer(port: 0)
    let outcome = try Program.run(training("run", "--metrics-port", "\(other.port)"), ranks: ranks)
    expectRefusal(outcome, exitCode: 69, saying: "--metrics-port \(other.port)", "in use")
    #expect(try folder.contents().keys.sorted() == ["text.txt"])
    other.stop()
  }

  @Test(arguments: ["65536", "-1", "x", ""]) func whatIsNoPortIsRefused(port: String) throws {
    let outcome = try Program.run(training("run", "--metrics-port", port))
    expectRefusal(outcome, exitCode: 64, saying: "--metrics-port")
  }
}
