import Foundation
import Testing

/// What `launch/cluster.sh` says of hosts that could not work together, and how it starts those that can.
@Suite(.serialized, .enabled(if: FakeHosts.canMount, "hosts with mounts of their own need root"))
struct ClusterTests {
  /// The problems come first, then how many they are.
  private func expectProblem(
    _ outcome: Program.Outcome, exitCode: Int32, saying texts: String..., location: SourceLocation = #_sourceLocation
  ) {
    #expect(outcome.exitCode == exitCode && outcome.output.isEmpty, "\(outcome)", sourceLocation: location)
    #expect(outcome.errors.contains("nothing was started; problems: 1\n"), "\(outcome)", sourceLocation: location)
    for text in texts { #expect(outcome.errors.contains(text), "\(outcome)", sourceLocation: location) }
  }

  @Test func aHostThatCannotBeReachedIsNamed() throws {
    let outcome = try FakeHosts("a", "", "gone").run([], ["doctor"])
    expectProblem(outcome, exitCode: 69, saying: "gone (line 3) cannot be reached by ssh: ", "No route to host")
  }

  @Test func aHostWithoutTheProgramIsNamed() throws {
    let hosts = try FakeHosts("a", "b")
    try hosts.change("b", "mount -t tmpfs none '\(FakeHosts.project)/.build'")
    expectProblem(try hosts.run([], ["doctor"]), exitCode: 69, saying: "b (line 2) has no \(FakeHosts.worker)")
  }

  @Test func anotherBuildIsNamed() throws {
    let hosts = try FakeHosts("a", "b", "c")
    let other = hosts.folder.file("other")
    try hosts.change(
      "b",
      """
      cp '\(FakeHosts.worker)' '\(other)' && echo >>'\(other)'
      mount --bind '\(other)' "$(readlink -f '\(FakeHosts.worker)')"
      """)
    let outcome = try hosts.run([], ["doctor"])
    expectProblem(outcome, exitCode: 68, saying: "differ in the program: ", " on a, c; ", " on b; copy one build")
  }

  @Test func librariesThatAreMissingAreNamed() throws {
    let hosts = try FakeHosts("a", "b")
    try hosts.change(
      "b",
      #"""
      library=$(ldd '\#(FakeHosts.worker)' | awk '/libdnnl/ { print $3 }')
      printf x >'\#(hosts.folder.file("empty"))'
      mount --bind '\#(hosts.folder.file("empty"))' "$(readlink -f "$library")"
      """#)
    let outcome = try hosts.run([], ["doctor"])
    expectProblem(outcome, exitCode: 69, saying: "b (line 2) lacks libraries of the program")
  }

  @Test func aHostWithoutMPICHIsNamed() throws {
    let hosts = try FakeHosts("a", "b")
    try hosts.change("b", "mount --bind /dev/null /usr/bin/hydra_pmi_proxy")
    expectProblem(try hosts.run([], ["doctor"]), exitCode: 69, saying: "b (line 2) has no MPICH in /usr/bin")
  }

  @Test func anotherMPICHIsNamed() throws {
    let hosts = try FakeHosts("a", "b")
    let other = try hosts.folder.write("mpiexec", "#!/bin/sh\necho '    Version:      4.2.0'\n")
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: other)
    try hosts.change("b", "mount --bind '\(other)' /usr/bin/mpiexec.hydra")
    expectProblem(try hosts.run([], ["doctor"]), exitCode: 68, saying: "differ in MPICH: ", "4.2.0,libmpich", " on b; ")
  }

  @Test func anotherInstructionSetIsNamed() throws {
    let hosts = try FakeHosts("a", "b")
    try hosts.replace("/proc/cpuinfo", on: "b", with: "processor : 0\nflags\t\t: fpu sse2 avx2\n")
    let outcome = try hosts.run([], ["doctor"])
    expectProblem(outcome, exitCode: 68, saying: "differ in the instruction set: ", "avx2 on b; ", "would differ: use")
  }

  @Test func theHeadsNameMustBeKnown() throws {
    let hosts = try FakeHosts("a", "b")
    try hosts.change("b", "mount --bind /dev/null /etc/hosts && mount --bind /dev/null /etc/nsswitch.conf")
    let outcome = try hosts.run([], ["doctor"])
    expectProblem(outcome, exitCode: 69, saying: "b (line 2) does not know this machine's name")
  }

  @Test func aFolderThatIsMissingIsNamed() throws {
    let hosts = try FakeHosts("a", "b")
    try hosts.change("b", "mount -t tmpfs none \"$(dirname '\(FileManager.default.currentDirectoryPath)')\"")
    let outcome = try hosts.run([], ["doctor"])
    #expect(outcome.exitCode == 69 && outcome.errors.contains("b (line 2) has no folder "), "\(outcome)")
  }

  @Test func textThatDiffersIsNamed() throws {
    let hosts = try FakeHosts("a", "b", "c")
    let text = try hosts.folder.write("corpus/1.txt", SampleText.make(bytes: 20_000))
    try hosts.replace(text, on: "c", with: "other text")
    let corpus = hosts.folder.file("corpus")
    for arguments in [["--corpus", text, corpus], ["--corpus=\(corpus)"]] {
      let outcome = try hosts.run([], ["train", "--output", hosts.folder.file("run")] + arguments)
      #expect(outcome.exitCode == 68 && outcome.errors.contains("differ in \(corpus): "), "\(outcome)")
      #expect(outcome.errors.contains(" on a, b; ") && outcome.errors.contains(" on c; copy one"), "\(outcome)")
    }
  }

  @Test func aModelThatIsMissingIsNamed() throws {
    let hosts = try FakeHosts("a", "b")
    let model = try TinyModel(in: hosts.folder)
    try hosts.change("b", "mount -t tmpfs none '\(hosts.folder.path)'")
    let outcome = try hosts.run([], ["generate", "--model", model.path, "--prompt", "a"])
    expectProblem(outcome, exitCode: 68, saying: "differ in \(model.path): ", "missing on b; ")
  }

  @Test func aHostWithTooLittleMemoryIsNamed() throws {
    let hosts = try FakeHosts("a", "b")
    let text = try hosts.folder.write("text.txt", SampleText.make(bytes: 20_000))
    let machine = try hosts.folder.write("boot", "another machine\n")
    let memory = try hosts.folder.write("memory", "MemTotal: 9999999 kB\nMemAvailable:    20480 kB\n")
    try hosts.change(
      "b", "mount --bind '\(machine)' /proc/sys/kernel/random/boot_id && mount --bind '\(memory)' /proc/meminfo")
    let outcome = try hosts.run(
      ["--ranks-per-host", "2"],
      ["train", "--preset", "base", "--corpus", text, "--output", hosts.folder.file("run")])
    expectProblem(outcome, exitCode: 69, saying: "b (line 2) has 20 MiB of free memory, and 2 ranks there need ")
  }

  @Test func hostsThatAgreeRunTheJob() throws {
    let hosts = try FakeHosts("a:2", "b slots=1")
    let outcome = try hosts.run([], ["doctor"])
    #expect(outcome.exitCode == 0 && outcome.output.contains("ranks: 3"), "\(outcome)")
    #expect(outcome.errors.contains("2 hosts agree; starting 3 ranks, bound to: none"), "\(outcome)")
    #expect(try hosts.leftovers().isEmpty)
  }

  /// One rank has the whole of its memory domain, as many as there are cores one core each.
  @Test func ranksAreBoundToCores() throws {
    let cores = try coreCount()
    let byDomain = try FakeHosts("a").run([], ["doctor"])
    #expect(byDomain.exitCode == 0 && byDomain.errors.contains("bound to: numa"), "\(byDomain)")
    let byCore = try FakeHosts("a").run(["--ranks-per-host", "\(cores)"], ["doctor"])
    #expect(byCore.exitCode == 0 && byCore.output.contains("ranks: \(cores)"), "\(byCore)")
    #expect(cores == 1 || byCore.errors.contains("bound to: core:1"), "\(byCore)")
    #expect(cores == 1 || byCore.output.contains("(processors 0)"), "\(byCore)")
    let tooMany = try FakeHosts("a").run(["--ranks-per-host", "\(cores + 1)"], ["doctor"])
    #expect(tooMany.exitCode == 0 && tooMany.errors.contains("bound to: none"), "\(tooMany)")
  }

  /// Of a machine with one memory domain.
  private func coreCount() throws -> Int {
    let outcome = try Program.run("/usr/bin/lscpu", ["--parse=CORE,SOCKET"], [:], limit: 10)
    return Set(outcome.output.split(separator: "\n").filter { !$0.hasPrefix("#") }).count
  }

  @Test func theExitCodeAndTheProgramsWordsArePassedOn() throws {
    let outcome = try FakeHosts("a", "b").run([], ["frobnicate"])
    #expect(outcome.exitCode == 64 && outcome.errors.contains("frobnicate"), "\(outcome)")
  }

  /// Nothing of what a user writes is read by a shell on the way, here or there.
  @Test func wordsReachTheProgramAsTheyAre() throws {
    let hosts = try FakeHosts("a", "b")
    let trap = hosts.folder.file("trap")
    let name = "it's $(touch '\(URL(fileURLWithPath: trap).lastPathComponent)') `id` \"; *"
    let text = try hosts.folder.write("\(name)/t.txt", SampleText.make(bytes: 40_000))
    let corpus = URL(fileURLWithPath: text).deletingLastPathComponent().path
    let outcome = try hosts.run(
      ["--threads", "1"], ["train", "--corpus", corpus, "--output", hosts.folder.file("run")] + SmallRun.flags)
    #expect(outcome.exitCode == 0 && outcome.output.contains("1 threads each"), "\(outcome)")
    #expect(!FileManager.default.fileExists(atPath: trap))
    #expect(try hosts.leftovers().isEmpty)
  }
}
