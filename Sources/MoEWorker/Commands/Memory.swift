import ArgumentParser
import Checkpoints
import Communication
import LanguageModel
import Training

/// `memory`: what a job needs, before it is started anywhere.
struct Memory: WorkerCommand {
  static let configuration = CommandConfiguration(
    commandName: "memory",
    abstract: "Prints how many MiB each rank of a job needs at least, without running it.",
    discussion: """
      'moe-worker memory --ranks 8 -- train --preset base --corpus texts --output runs/base'. Counted are weights and, in \
      training, gradients, moments and what a micro-batch leaves for its backward pass: what the program itself refuses a \
      job by. Subcommands that use no model need little, and print 0.
      """)

  @Option(help: "Ranks of the job.", transform: Parse.positive)
  var ranks: Int

  @Argument(parsing: .postTerminator, help: "After '--', a subcommand with its options.")
  var command: [String]

  /// More than any job has; divisors of the ranks are tried one by one.
  private static let mostRanks = 1 << 20

  func validate() throws {
    guard ranks <= Self.mostRanks else { throw ValidationError("--ranks \(ranks) is more than \(Self.mostRanks)") }
  }

  func run(on worker: Worker) throws {
    guard worker.world.size == 1 else {
      throw Refusal(.usage, "memory counts for all ranks in one process; start it without mpirun and give --ranks")
    }
    guard case .command(let parsed) = try Job.parse(command) else {
      throw Refusal(.usage, "after '--' a subcommand is needed, as in 'memory --ranks 2 -- train --corpus …'")
    }
    let bytes = try (parsed as? any SizedCommand)?.leastBytes(rankCount: ranks, on: worker) ?? 0
    let mebibyte = 1 << 20
    try worker.console.write("\((bytes + mebibyte - 1) / mebibyte)")
  }
}

/// A subcommand whose need of memory follows from its flags and a model's description.
protocol SizedCommand: WorkerCommand {
  /// What the rank with the most needs at least, of a job of so many ranks.
  func leastBytes(rankCount: Int, on worker: Worker) throws -> Int
}

extension Train: SizedCommand {
  func leastBytes(rankCount: Int, on worker: Worker) throws -> Int {
    try parallel.check(rankCount: rankCount)
    let (model, training) = try request.sizes(over: worker.world)
    return try MemoryNeed(model, rankCount: rankCount, expertParallelSize: parallel.expertParallel)
      .trainingBytes(training, rankCount: rankCount)
  }
}

extension ModelOptions {
  fileprivate func leastBytes(rankCount: Int, on worker: Worker) throws -> Int {
    let source = try ModelSource.model(model, communicator: worker.world)
    return try MemoryNeed(source.configuration, rankCount: rankCount).weightBytes()
  }
}

extension Evaluate: SizedCommand {
  func leastBytes(rankCount: Int, on worker: Worker) throws -> Int {
    try source.leastBytes(rankCount: rankCount, on: worker)
  }
}

extension Generate: SizedCommand {
  func leastBytes(rankCount: Int, on worker: Worker) throws -> Int {
    try source.leastBytes(rankCount: rankCount, on: worker)
  }
}

extension Logits: SizedCommand {
  func leastBytes(rankCount: Int, on worker: Worker) throws -> Int {
    try source.leastBytes(rankCount: rankCount, on: worker)
  }
}
