import Foundation

/// The command that is supervised, `mpirun … moe-worker train …`, as far as it has to be understood.
package struct LaunchCommand: Hashable, Sendable, CustomStringConvertible {
  package private(set) var words: [String]

  package init(_ words: [String]) { self.words = words }

  // MARK: Training

  /// Where `train` stands; nil if the command is another one.
  private var trainIndex: Int? {
    words.indices.dropFirst().first {
      words[$0] == "train" && Self.name(of: words[$0 - 1]) == "moe-worker"
    }
  }

  /// The run's directory, if the command trains.
  package var output: String? {
    guard let trainIndex else { return nil }
    return value(of: ["--output"], in: words[trainIndex...])
  }

  /// Whether the command trains and says itself that it goes on with a run.
  package var resumes: Bool { trainIndex.map { words[$0...].contains("--resume") } ?? false }

  /// Lets the run go on from its newest checkpoint, or begin anew if there is none.
  package mutating func resume() {
    guard let trainIndex, !resumes else { return }
    words.insert("--resume", at: trainIndex + 1)
  }

  // MARK: Hosts

  private static let hostOptions: Set = ["-hosts", "--hosts", "-host", "--host"]
  private static let fileOptions: Set = ["-f", "-hostfile", "--hostfile", "-machinefile", "--machinefile"]
  private static let launcherOptions: Set = ["-launcher", "--launcher", "-launcher-exec", "--launcher-exec"]

  /// The launcher's own options: what stands before the program.
  private var launcherWords: ArraySlice<String> {
    let name = Self.name(of: words.first ?? "")
    guard name.hasPrefix("mpirun") || name.hasPrefix("mpiexec") else { return [] }
    return words[..<(trainIndex.map { $0 - 1 } ?? words.count)]
  }

  /// The hosts as the launcher is given them, `name` or `name:slots`; empty if it is given none.
  package var hosts: [String] {
    if let list = value(of: Self.hostOptions, in: launcherWords) {
      return list.split(separator: ",").map(String.init)
    }
    guard let path = value(of: Self.fileOptions, in: launcherWords),
      let text = try? String(contentsOfFile: path, encoding: .utf8)
    else { return [] }
    return text.split(whereSeparator: \.isNewline).compactMap { line in
      line.prefix { $0 != "#" }.split(whereSeparator: \.isWhitespace).first.map(String.init)
    }
  }

  /// Spreads the same number of ranks over these hosts.
  package mutating func use(hosts: [String]) {
    let list = hosts.joined(separator: ",")
    let options = Self.hostOptions.union(Self.fileOptions)
    guard let index = launcherWords.indices.first(where: { options.contains(Self.optionName(words[$0])) }) else {
      return
    }
    // `--hosts a,b` or `--hosts=a,b`
    let last = options.contains(words[index]) ? index + 1 : index
    words.replaceSubrange(index...last, with: ["-hosts", list])
  }

  /// A command that ends well if the launcher reaches a host.
  package func probe(of host: String) -> [String] {
    var options: [String] = []
    for index in launcherWords.indices where Self.launcherOptions.contains(Self.optionName(words[index])) {
      options += words[index...].prefix(Self.launcherOptions.contains(words[index]) ? 2 : 1)
    }
    return [words.first ?? ""] + options + ["-hosts", host, "-np", "1", "true"]
  }

  // MARK: Words

  /// As a shell takes it.
  package var description: String { words.map(Self.quoted).joined(separator: " ") }

  private static func quoted(_ word: String) -> String {
    let isPlain = !word.isEmpty && word.utf8.allSatisfy { plainBytes.contains($0) }
    return isPlain ? word : "'" + word.replacingOccurrences(of: "'", with: #"'\''"#) + "'"
  }

  /// What no shell gives a meaning to.
  private static let plainBytes = Set(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./:,@%".utf8)

  /// The value of an option, `--name value` or `--name=value`.
  private func value(of names: Set<String>, in words: ArraySlice<String>) -> String? {
    for index in words.indices {
      if names.contains(words[index]), index + 1 < words.endIndex { return words[index + 1] }
      let sides = words[index].split(separator: "=", maxSplits: 1)
      if sides.count == 2, names.contains(String(sides[0])) { return String(sides[1]) }
    }
    return nil
  }

  private static func optionName(_ word: String) -> String { String(word.prefix { $0 != "=" }) }

  private static func name(of path: String) -> String { path.split(separator: "/").last.map(String.init) ?? "" }
}
