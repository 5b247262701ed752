import TestSupport
import Testing

/// Every parser of data from outside, over inputs that are almost right: it reads them or refuses them in its own words,
/// and never traps, hangs or takes memory that the input does not account for.
@Suite("Fuzzing")
struct FuzzTests {
  @Test("reads or refuses whatever it is given", arguments: FuzzTargets.all.filter(FuzzSettings().chooses))
  func survives(target: FuzzTarget) throws {
    let settings = FuzzSettings()
    let outcome = try FuzzRun(target, settings).run()
    #expect(outcome.faults.isEmpty, "\(target.name), seed \(settings.seed): \(outcome.faults.joined(separator: "\n"))")
    print(
      "fuzzed \(target.name): \(outcome.accepted) read, \(outcome.refused) refused, \(outcome.time) in all, "
        + "\(outcome.slowest) the slowest")
  }

  @Test("begins with inputs that are read", arguments: FuzzTargets.all)
  func seedsAreRead(target: FuzzTarget) throws {
    for seed in target.mutator.seeds { #expect(try target.read(seed), "\(String(decoding: seed, as: UTF8.self))") }
  }
}
