import Supervision
import Testing

@Suite struct LaunchCommandTests {
  private func command(_ text: String) -> LaunchCommand { LaunchCommand(text.split(separator: " ").map(String.init)) }

  @Test func theOutputOfTrainingIsFound() {
    #expect(command("mpirun -np 4 /opt/moe-worker train --corpus a b --output runs/x").output == "runs/x")
    #expect(command("moe-worker train --output=runs/x --corpus a").output == "runs/x")
    #expect(command("launch/namespaces.sh --hosts 2 --rate none -- moe-worker train --output x").output == "x")
    #expect(command("mpirun -np 4 moe-worker evaluate --output x").output == nil)
    #expect(command("mpirun --output x moe-worker train").output == nil)
    #expect(command("train --output x").output == nil)
  }

  @Test func resumingAddsOneFlag() {
    var command = command("mpirun -np 2 moe-worker train --corpus a --output x")
    command.resume()
    command.resume()
    #expect(
      command.words
        == "mpirun -np 2 moe-worker train --resume --corpus a --output x".split(separator: " ").map(String.init))
  }

  @Test func aShellReadsTheSameWords() {
    let words = [
      "mpirun", "-np", "2", "a/moe-worker", "train", "--output=x,y:z@1%", "two words", "it's", "$HOME", "", "*",
    ]
    #expect(
      LaunchCommand(words).description
        == #"mpirun -np 2 a/moe-worker train --output=x,y:z@1% 'two words' 'it'\''s' '$HOME' '' '*'"#)
  }

  @Test func resumingLeavesOtherCommandsAlone() {
    var evaluate = command("mpirun -np 2 moe-worker evaluate --corpus a")
    evaluate.resume()
    #expect(evaluate == command("mpirun -np 2 moe-worker evaluate --corpus a"))
  }

  @Test func hostsAreReplacedAndProbedTheSameWay() {
    var command = command("mpirun.mpich -launcher ssh -hosts a:2,b:2,c -np 4 moe-worker train --output x")
    #expect(command.hosts == ["a:2", "b:2", "c"])
    #expect(command.probe(of: "b:2") == ["mpirun.mpich", "-launcher", "ssh", "-hosts", "b:2", "-np", "1", "true"])
    command.use(hosts: ["a:2", "c"])
    #expect(command.words.prefix(7).joined(separator: " ") == "mpirun.mpich -launcher ssh -hosts a:2,c -np 4")
    var joined = self.command("mpirun --hosts=a:2,b -launcher=ssh -np 2 moe-worker train --output x")
    #expect(joined.hosts == ["a:2", "b"])
    #expect(joined.probe(of: "b") == ["mpirun", "-launcher=ssh", "-hosts", "b", "-np", "1", "true"])
    joined.use(hosts: ["a:2"])
    #expect(joined.words.prefix(6).joined(separator: " ") == "mpirun -hosts a:2 -launcher=ssh -np 2")
  }

  @Test func theProgramsOwnFlagsAreNoHosts() {
    #expect(command("mpirun -np 2 moe-worker train --hosts a,b --output x").hosts.isEmpty)
    #expect(command("launch/namespaces.sh --hosts 2 --rate 1gbit -- moe-worker train --output x").hosts.isEmpty)
  }
}

@Suite struct RestartPolicyTests {
  private func policy(_ restarts: Int = 10) -> RestartPolicy {
    RestartPolicy(mostRestarts: restarts, firstPause: .seconds(1))
  }

  private func failure(step: Int?, saved: Int? = nil, code: Int32 = 9) -> RestartPolicy.End {
    RestartPolicy.End(.exited(code), step: step, savedStep: saved)
  }

  @Test func aJobThatIsDoneOrWasStoppedStays() {
    var policy = policy()
    #expect(policy.decide(.init(.exited(0), step: 9, savedStep: 9)) == .stop(exitCode: 0, reason: "the job is done"))
    #expect(policy.decide(failure(step: 4, code: 79)) == .stop(exitCode: 79, reason: "it was asked to stop"))
  }

  @Test(arguments: [64, 65, 66, 68, 69, 73, 77, 78] as [Int32]) func aRefusalIsNotRepeated(code: Int32) {
    var policy = policy()
    #expect(
      policy.decide(failure(step: nil, code: code))
        == .stop(exitCode: code, reason: "exit code \(code) would come again"))
  }

  @Test(arguments: [1, 3, 9, 70, 71, 74, 75, 76, 80, 81, 139] as [Int32]) func anythingElseIs(code: Int32) {
    var policy = policy()
    #expect(policy.decide(failure(step: 2, code: code)) == .restart(after: .seconds(1)))
  }

  @Test func pausesGrowUntilSomethingIsSaved() {
    var policy = policy()
    var pauses: [Duration] = []
    for (step, saved) in [(1, nil), (2, nil), (3, nil), (12, 10), (13, 10)] as [(Int, Int?)] {
      guard case .restart(let pause) = policy.decide(failure(step: step, saved: saved)) else { continue }
      pauses.append(pause)
    }
    #expect(pauses == [.seconds(1), .seconds(2), .seconds(4), .seconds(1), .seconds(2)])
    for step in 20..<25 { _ = policy.decide(failure(step: step, saved: 10)) }
    #expect(policy.restarts == 10)
  }

  @Test func pausesHaveALimit() {
    var policy = policy(100)
    var last = Duration.zero
    for step in 0..<50 { if case .restart(let pause) = policy.decide(failure(step: step)) { last = pause } }
    #expect(last == RestartPolicy.longestPause)
  }

  @Test func theThirdFailureOfAStepIsTheLast() {
    var policy = policy()
    #expect(policy.decide(failure(step: 13, saved: 10)) == .restart(after: .seconds(1)))
    #expect(policy.decide(failure(step: 13, saved: 10)) == .restart(after: .seconds(2)))
    guard case .stop(9, let reason) = policy.decide(failure(step: 13, saved: 10)) else {
      Issue.record("it goes on")
      return
    }
    #expect(reason.contains("no progress at step 13"))
  }

  @Test func failuresOfDifferentStepsDoNotAdd() {
    var policy = policy()
    for step in [13, 13, 14, 13, 13] { #expect(policy.decide(failure(step: step)).isRestart) }
  }

  @Test func theNumberOfRestartsIsKept() {
    var policy = policy(2)
    #expect(policy.decide(failure(step: 1)).isRestart)
    #expect(policy.decide(failure(step: 2)).isRestart)
    guard case .stop(9, let reason) = policy.decide(failure(step: 3)) else {
      Issue.record("it goes on")
      return
    }
    #expect(reason.contains("--max-restarts"))
  }

  @Test func aSignalIsAnExitCodeAsShellsHaveIt() {
    #expect(ChildProcess.Status.killed(signal: 9).exitCode == 137 && ChildProcess.Status.exited(4).exitCode == 4)
  }
}

extension RestartPolicy.Decision {
  fileprivate var isRestart: Bool { if case .restart = self { true } else { false } }
}
