import ArgumentParser
import Communication

/// `bench exchange`: how fast rows travel when nothing else happens.
struct BenchExchange: WorkerCommand {
  static let configuration = CommandConfiguration(
    commandName: "exchange",
    abstract: "The exchange alone: every rank sends every other rank messages of one size.",
    discussion: """
      gigabytes_per_second is what each rank sends, and receives at the same time, in 10^9 bytes. A sample has as many \
      messages as make 8 MiB to each peer, at most 16384. launch/compare-exchange.sh holds the result against a plain C \
      program.
      """)

  @OptionGroup var run: RunOptions
  @OptionGroup var results: ResultOptions

  @Option(help: "Size of a message.", transform: Parse.messageSize)
  var bytes: Int

  @Option(
    name: .customLong("repeat"), help: "How many samples are taken; the median counts.", transform: Parse.positive)
  var repeats = 15

  func run(on worker: Worker) throws {
    _ = try run.start(worker)
    guard worker.world.size > 1 else {
      throw Refusal(.usage, "bench exchange needs at least 2 ranks: start it with 'mpirun -np 2 moe-worker …'")
    }
    try worker.requireMemory(
      bytes: ExchangeBenchmark.memoryByteCount(byteCount: bytes, rankCount: worker.world.size), for: "the messages")
    let exchange = ExchangeBenchmark(byteCount: bytes, over: worker.world)
    _ = try exchange.seconds()
    let seconds = Stopwatch.median(try (0..<repeats).map { _ in try exchange.seconds() })
    try results.write(
      JSONLine([
        "benchmark": .text("exchange"), "ranks": .integer(worker.world.size),
        "hosts": .integer(Set(worker.hosts.map(\.machine)).count), "bytes": .integer(bytes),
        "messages": .integer(exchange.messageCount), "milliseconds": .real(seconds * 1e3),
        "gigabytes_per_second": .real(exchange.gigabytesPerSecond(seconds: seconds), digits: 4),
      ]), worker)
  }
}
