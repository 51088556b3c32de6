using Vireo.Benchmarks;
using Vireo.Benchmarks.Homes;
using Vireo.Benchmarks.Micro;
using Vireo.Benchmarks.Sessions;

IBenchmark[] benchmarks =
[
    new RingBenchmark(),
    new LoopbackBenchmark(),
    new PacketBenchmark(),
    new HomesBenchmark(),
    new SessionBenchmark(),
];
IBenchmark? chosen = benchmarks.FirstOrDefault(benchmark =>
    args.Length > 0 && string.Equals(benchmark.Name, args[0], StringComparison.Ordinal)
);
if (chosen is not null)
{
    return chosen.Run(args[1..]);
}

if (args.Length > 0)
{
    Console.Error.WriteLine($"there is no benchmark '{args[0]}'; there are:");
}

foreach (IBenchmark benchmark in benchmarks)
{
    Console.WriteLine($"{benchmark.Name.PadRight(12)} {benchmark.Summary}");
}

return args.Length > 0 ? 2 : 0;
