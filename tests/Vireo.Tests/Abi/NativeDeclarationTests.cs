using System.Reflection;
using System.Runtime.InteropServices;
using Vireo.Linux;
using Vireo.Linux.Files;
using Vireo.Linux.IoUring;
using Vireo.Linux.Native;

namespace Vireo.Tests.Abi;

/// <summary>Proves the declarations of Vireo.Linux against the installed C headers.</summary>
public sealed class NativeDeclarationTests
{
    private const BindingFlags Statics = BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic;

    /// <summary>Structures that do not exist on this architecture.</summary>
    private static readonly Type[] OfOtherArchitectures =
        RuntimeInformation.ProcessArchitecture == Architecture.X64
            ? [typeof(epoll_event_aligned)]
            : [typeof(epoll_event)];

    /// <summary>Constants and structures that are younger than the oldest headers this is built against, with the release that brought them.</summary>
    private static readonly Dictionary<string, string> YoungerThanHeaders = new(StringComparer.Ordinal)
    {
        [nameof(LibC.UFFDIO_POISON)] = "6.6",
        [nameof(uffdio_poison)] = "6.6",
        [nameof(LibC.VHOST_GET_FEATURES_ARRAY)] = "6.17",
        [nameof(LibC.VHOST_SET_FEATURES_ARRAY)] = "6.17",
        [nameof(vhost_features_array)] = "6.17",
        [nameof(LibC.TUN_F_USO4)] = "6.2",
        [nameof(LibC.TUN_F_USO6)] = "6.2",
        [nameof(LibC.TUN_F_UDP_TUNNEL_GSO)] = "6.17",
        [nameof(LibC.TUN_F_UDP_TUNNEL_GSO_CSUM)] = "6.17",
    };

    [Fact]
    public void ConstantsAndStructures_AgreeWithTheHeaders()
    {
        CAssertions assertions = Generate();

        Assert.Empty(CCompiler.Check(assertions.ToSource()));
        Assert.True(assertions.Count > 400, $"only {assertions.Count} assertions");
    }

    [Fact]
    public void Compiler_WrongAssertions_AreFound()
    {
        CAssertions assertions = new();
        assertions.Include("errno.h");
        assertions.AddConstant("EPERM", 2);
        assertions.AddStructure(typeof(timespec), "struct { long a; }", _ => "");

        string errors = CCompiler.Check(assertions.ToSource());

        Assert.Contains("EPERM is 2", errors, StringComparison.Ordinal);
        Assert.Contains("timespec: size of", errors, StringComparison.Ordinal);
    }

    [Fact]
    public void EveryStructure_IsCovered()
    {
        string source = Generate().ToSource();
        foreach (Type type in Structures())
        {
            Assert.Contains($"\"{type.Name}: size of {TwinOf(type)}\"", source, StringComparison.Ordinal);
            Assert.True(
                type.StructLayoutAttribute is { Value: LayoutKind.Sequential or LayoutKind.Explicit },
                $"{type.Name} states its layout"
            );
            string[] uncovered =
            [
                .. CAssertions
                    .FieldsOf(type)
                    .Where(field => FieldNameOf(field).Length == 0)
                    .Select(field => field.Name)
                    .Where(name => !name.StartsWith("__", StringComparison.Ordinal) && name is not "resv2"),
            ];
            Assert.True(
                uncovered.Length == 0,
                $"{type.Name}.{string.Join(", ", uncovered)} is no padding, so name its twin"
            );
        }
    }

    [Fact]
    public void PublicStructures_AreLaidOutLikeTheKernels()
    {
        CAssertions assertions = new();
        assertions.Include("sys/uio.h");
        assertions.Include("linux/io_uring.h");
        assertions.AddStructure(
            typeof(IoVector),
            "struct iovec",
            field => field.Name.Contains("Base", StringComparison.Ordinal) ? "iov_base" : "iov_len"
        );
        assertions.AddStructure(
            typeof(IoUringCompletion),
            "struct io_uring_cqe",
            field =>
                field.Name.Contains("UserData", StringComparison.Ordinal) ? "user_data"
                : field.Name.Contains("Result", StringComparison.Ordinal) ? "res"
                : "flags"
        );

        Assert.Empty(CCompiler.Check(assertions.ToSource()));
    }

    private static CAssertions Generate()
    {
        CAssertions assertions = new();
        assertions.Include("errno.h");
        foreach (Errno error in Enum.GetValues<Errno>().Where(error => error != Errno.None))
        {
            assertions.AddConstant($"{error}", (int)error);
        }

        foreach (Type type in NativeTypes())
        {
            foreach (CHeaderAttribute header in type.GetCustomAttributes<CHeaderAttribute>())
            {
                assertions.Include(header.Name);
            }

            foreach (FieldInfo constant in ConstantsOf(type))
            {
                assertions.AddConstant(constant.Name, constant.GetValue(null)!);
            }
        }

        foreach (Type type in Structures())
        {
            assertions.AddStructure(type, TwinOf(type), FieldNameOf);
        }

        return assertions;
    }

    private static IEnumerable<Type> NativeTypes() =>
        typeof(LibC)
            .Assembly.GetTypes()
            .Where(type =>
                string.Equals(type.Namespace, typeof(LibC).Namespace, StringComparison.Ordinal) && !type.IsNested
            );

    private static IEnumerable<Type> Structures() =>
        NativeTypes()
            .Where(type => type.IsValueType && !type.IsEnum && !YoungerThanHeaders.ContainsKey(type.Name))
            .Except(OfOtherArchitectures);

    /// <summary>Internal numbers are the kernel's; private ones are our own helpers.</summary>
    private static IEnumerable<FieldInfo> ConstantsOf(Type type) =>
        type.GetFields(Statics)
            .Where(field =>
                field.IsAssembly && field.FieldType.IsPrimitive && !YoungerThanHeaders.ContainsKey(field.Name)
            );

    private static string TwinOf(Type type) =>
        type.GetCustomAttribute<CTwinAttribute>() is { } twin ? twin.Name : $"struct {type.Name}";

    private static string FieldNameOf(FieldInfo field) =>
        field.GetCustomAttribute<CFieldAttribute>() is { } twin ? twin.Name : field.Name;
}
