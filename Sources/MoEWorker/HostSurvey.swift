import Foundation

/// What a rank finds where it runs, as far as it matters to how the job should run.
struct HostSurvey: Codable, Hashable {
  let hostName: String
  /// What the launch says that this host is called, where several hosts are made of one machine; nil elsewhere.
  let givenName: String?
  /// Tells machines apart, and containers of one machine not.
  let bootIdentifier: String
  let processorName: String
  /// The processors that this rank may use, in the kernel's notation: `0-7,16-23`.
  let allowedProcessors: String
  /// How many processors' worth of time a container's limit allows, rounded down; nil without a limit.
  let processorQuota: Int?
  /// The instruction set extensions that arithmetic here depends on.
  let features: [String]
  /// `always`, `madvise` or `never`.
  let hugePages: String?
  let memoryMebibytes: Int?

  /// The extensions that decide which kernels f32 arithmetic takes: ranks that differ in them would differ in bits.
  static let decisiveFeatures: Set<String> = ["avx2", "fma", "avx512f", "avx512bw", "avx512dq", "avx512vl"]
  private static let interestingFeatures = decisiveFeatures.union([
    "avx512_vnni", "avx512_bf16", "amx_tile", "amx_bf16",
  ])

  /// Looks at this machine.
  static func here() -> HostSurvey {
    let processor = keyValues("/proc/cpuinfo")
    let flags = (processor["flags"] ?? "").split(separator: " ").map(String.init)
    return HostSurvey(
      hostName: ownName,
      givenName: givenName,
      bootIdentifier: text("/proc/sys/kernel/random/boot_id") ?? "",
      processorName: processor["model name"] ?? "unknown processor",
      allowedProcessors: keyValues("/proc/self/status")["Cpus_allowed_list"] ?? "0",
      processorQuota: text("/sys/fs/cgroup/cpu.max").flatMap(quota),
      features: flags.filter(interestingFeatures.contains).sorted(),
      hugePages: text("/sys/kernel/mm/transparent_hugepage/enabled").flatMap(chosen),
      memoryMebibytes: keyValues("/proc/meminfo")["MemTotal"].flatMap { Int($0.prefix { $0.isNumber }) }
        .map { $0 / 1024 })
  }

  private static var givenName: String? {
    ProcessInfo.processInfo.environment["MOE_WORKER_HOST"].flatMap { $0.isEmpty ? nil : $0 }
  }

  /// What messages call this host.
  static var ownName: String { givenName ?? text("/proc/sys/kernel/hostname") ?? "unknown" }

  var decisiveFeatures: Set<String> { Self.decisiveFeatures.intersection(features) }

  /// How many processors this rank may use, alone or shared with the ranks beside it.
  var coreCount: Int { max(1, min(Self.count(allowedProcessors), processorQuota ?? .max)) }

  /// Whether another rank competes for the same processors.
  func sharesProcessors(with other: HostSurvey) -> Bool {
    sharesHardware(with: other) && allowedProcessors == other.allowedProcessors
  }

  /// Whether another rank takes from the same memory and processors, whatever their hosts are called.
  func sharesHardware(with other: HostSurvey) -> Bool { hardware == other.hardware }

  /// Equal for ranks that reach each other without a network.
  var machine: String { givenName ?? hardware }

  private var hardware: String { bootIdentifier.isEmpty ? hostName : bootIdentifier }

  /// `0-3,8` is five processors.
  static func count(_ list: String) -> Int {
    list.split(separator: ",").reduce(0) { sum, part in
      let ends = part.split(separator: "-").compactMap { Int($0) }
      guard let first = ends.first, let last = ends.last, last >= first else { return sum }
      return sum + last - first + 1
    }
  }

  /// `200000 100000` is two processors' time, `max 100000` no limit.
  private static func quota(_ text: String) -> Int? {
    let parts = text.split(separator: " ").compactMap { Int($0) }
    return parts.count == 2 && parts[1] > 0 ? max(1, parts[0] / parts[1]) : nil
  }

  /// `always [madvise] never` is `madvise`.
  private static func chosen(_ text: String) -> String? {
    text.split(separator: " ").first { $0.hasPrefix("[") }.map { String($0.dropFirst().dropLast()) }
  }

  private static func text(_ path: String) -> String? {
    FileManager.default.contents(atPath: path).map {
      String(decoding: $0, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    }
  }

  /// The lines `key : value` of one of the kernel's files; the first of several equal keys counts.
  private static func keyValues(_ path: String) -> [String: String] {
    let pairs = (text(path) ?? "").split(separator: "\n").compactMap { line -> (String, String)? in
      guard let colon = line.firstIndex(of: ":") else { return nil }
      return (
        line[..<colon].trimmingCharacters(in: .whitespaces),
        line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
      )
    }
    return Dictionary(pairs) { first, _ in first }
  }
}
