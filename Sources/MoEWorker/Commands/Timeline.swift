import ArgumentParser
import Checkpoints
import Communication
import Foundation
import Topology
import Tracing

/// `timeline`: draws a trace.
struct Timeline: WorkerCommand {
  static let configuration = CommandConfiguration(
    commandName: "timeline",
    abstract: "Draws a trace that --trace wrote: what each rank computes, and which messages are in flight meanwhile.")

  @Argument(help: ArgumentHelp("A trace in Chrome's format.", valueName: "file"))
  var trace: String

  @Option(
    help: ArgumentHelp(
      "The SVG file to write, over one that is there. (default: the trace's name with .svg, if there is none yet)",
      valueName: "file"))
  var output: String?

  func run(on worker: Worker) throws {
    try worker.world.agree {
      guard worker.world.rank == Rank(0) else { return }
      try refuseOutput()
      let ranks = try TraceReader.read(trace)
      let file = try OutputFile(outputPath)
      try file.append(TimelinePicture.svg(of: ranks))
      try file.finish()
    }
    try worker.console.write("wrote \(outputPath)")
  }

  /// `trace.json` → `trace.svg`
  private var outputPath: String {
    output ?? (trace.hasSuffix(".json") ? String(trace.dropLast(".json".count)) : trace) + ".svg"
  }

  private func refuseOutput() throws(Refusal) {
    guard resolved(outputPath) != resolved(trace) else {
      throw Refusal(.cannotCreate, "\(outputPath): this is the trace itself; name another --output")
    }
    guard output != nil || !FileManager.default.fileExists(atPath: outputPath) else {
      throw Refusal(.cannotCreate, "\(outputPath) exists already; to replace it, give it as --output")
    }
  }

  private func resolved(_ path: String) -> String { URL(fileURLWithPath: path).resolvingSymlinksInPath().path }
}
