import ArgumentParser

/// `bench`: measures this machine and this program on it.
struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench",
    abstract: "Measures: the machine's matmul ceiling, the exchange alone, one MoE layer, one training step.",
    subcommands: [BenchMatmul.self, BenchExchange.self, BenchLayer.self, BenchStep.self])
}

/// How results are written.
struct ResultOptions: ParsableArguments {
  @Flag(help: "Write one JSON object in a line per result.")
  var json = false

  func write(_ result: JSONLine, _ worker: Worker) throws {
    try worker.console.write(json ? result.description : result.plainDescription)
  }
}
