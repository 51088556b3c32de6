using System.Reflection;
using System.Text.Json;
using Vireo.Core.Spec;

namespace Vireo.Tests.Abi;

/// <summary>Proves the wire structures of the specification against the kernel's headers, where it has them.</summary>
public sealed class WireStructureTests
{
    /// <summary>The rooms whose structures may be wire structures.</summary>
    private static readonly string[] Rooms =
    [
        "Vireo.Core",
        "Vireo.Devices",
        "Vireo.Backends",
        "Vireo.Homes",
        "Vireo.Vmm",
    ];

    /// <summary>Wire structures no installed header declares, or not in this form, with the reason.</summary>
    private static readonly Dictionary<string, string> WithoutTwin = new(StringComparer.Ordinal)
    {
        ["Vireo.Core.Queues.PackedInflightLog+Header"] = "vhost-user describes it in words",
        ["Vireo.Core.Queues.PackedInflightLog+Entry"] = "vhost-user describes it in words",
        ["Vireo.Core.Queues.SplitInflightLog+Header"] = "vhost-user describes it in words",
        ["Vireo.Core.Queues.SplitInflightLog+Entry"] = "vhost-user describes it in words",
        ["Vireo.Devices.Block.BlockConfig"] = "the zoned part came with Linux 6.3",
        ["Vireo.Devices.Block.BlockLifetimeHeader"] = "no header has it",
        ["Vireo.Devices.Block.BlockZoneReportHeader"] = "came with Linux 6.3",
        ["Vireo.Devices.Block.BlockZoneDescriptor"] = "came with Linux 6.3",
        ["Vireo.Devices.Block.BlockZonedConfig"] = "came with Linux 6.3",
        ["Vireo.Devices.Net.NetHashHeader"] = "the end of struct virtio_net_hdr_v1_hash alone",
        ["Vireo.Devices.Net.NetConfigSpace"] = "struct virtio_net_config and what Linux has not got behind it",
        ["Vireo.Devices.Net.NetStatisticsQuery"] = "came with Linux 6.10, with no name of its own",
        ["Vireo.Devices.Net.NetCoalescing+Parameters"] = "the header has one structure for each direction",
        ["Vireo.Homes.Vduse.VduseStateHeader"] = "a file of our own",
    };

    [Fact]
    public void Structures_AgreeWithTheirTwins()
    {
        CAssertions assertions = new();
        foreach (Type type in Structures())
        {
            if (type.GetCustomAttribute<CTwinAttribute>() is { } twin)
            {
                assertions.Include(twin.Header);
                assertions.AddStructure(type, twin.Name, FieldNameOf);
            }
        }

        Assert.Empty(CCompiler.Check(assertions.ToSource()));
        Assert.True(assertions.Count > 20, $"only {assertions.Count} assertions");
    }

    [Fact]
    public void Structures_MadeOfLittleEndianFields_NameTheirTwin()
    {
        string[] missing =
        [
            .. Structures()
                .Where(type => CAssertions.FieldsOf(type).Any(field => IsWireField(field.FieldType)))
                .Where(type => type.GetCustomAttribute<CTwinAttribute>() is null)
                .Select(type => type.FullName!)
                .Where(name => !WithoutTwin.ContainsKey(name)),
        ];

        Assert.True(
            missing.Length == 0,
            $"name the C twin with [CTwin], or say in WithoutTwin why there is none:\n{string.Join('\n', missing)}"
        );
    }

    private static IEnumerable<Type> Structures() =>
        Rooms
            .Where(room => File.Exists(Path.Combine(AppContext.BaseDirectory, $"{room}.dll")))
            .SelectMany(room => Assembly.Load(room).GetTypes())
            .Where(type => type.IsValueType && !type.IsEnum && !type.IsGenericTypeDefinition);

    private static bool IsWireField(Type type) => type == typeof(Le16) || type == typeof(Le32) || type == typeof(Le64);

    /// <summary>The name in the attribute, or ours in the way of C: <c>MaxSegments</c> is max_segments.</summary>
    private static string FieldNameOf(FieldInfo field) =>
        field.GetCustomAttribute<CFieldAttribute>() is { } twin
            ? twin.Name
            : JsonNamingPolicy.SnakeCaseLower.ConvertName(field.Name);
}
