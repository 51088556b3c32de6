using System.Globalization;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;

namespace Vireo.Tests.Abi;

/// <summary>A C source of static assertions, made from declarations of ours.</summary>
internal sealed class CAssertions
{
    private readonly HashSet<string> _headers = [];
    private readonly StringBuilder _assertions = new();

    /// <summary>How many assertions there are.</summary>
    public int Count { get; private set; }

    /// <summary>Includes a header.</summary>
    public void Include(string header) => _headers.Add(header);

    /// <summary>Asserts that a constant of C has a value.</summary>
    public void AddConstant(string name, object value)
    {
        string number = Convert.ToString(value, CultureInfo.InvariantCulture)!;
        string suffix = value is ulong ? "ull" : "ll";
        Assert(
            FormattableString.Invariant($"(long long)({name}) == (long long)({number}{suffix})"),
            $"{name} is {number}"
        );
    }

    /// <summary>Asserts that a structure of C has the size of ours, and each field offset and size of its twin.</summary>
    /// <param name="type">Our structure.</param>
    /// <param name="twin">The type in C.</param>
    /// <param name="fieldName">The member of C a field of ours stands for; empty for none.</param>
    public void AddStructure(Type type, string twin, Func<FieldInfo, string> fieldName)
    {
        Assert($"sizeof({twin}) == {Marshal.SizeOf(type)}", $"{type.Name}: size of {twin}");
        foreach (FieldInfo field in FieldsOf(type))
        {
            string name = fieldName(field);
            if (name.Length == 0)
            {
                continue;
            }

            nint offset = Marshal.OffsetOf(type, field.Name);
            Assert(
                FormattableString.Invariant($"offsetof({twin}, {name}) == {offset}"),
                $"{type.Name}.{field.Name}: offset of {name}"
            );
            Assert(
                FormattableString.Invariant($"sizeof((({twin} *)0)->{name}) == {SizeOf(field)}"),
                $"{type.Name}.{field.Name}: size of {name}"
            );
        }
    }

    /// <summary>The source text.</summary>
    public string ToSource()
    {
        StringBuilder source = new("#define _GNU_SOURCE\n#include <stddef.h>\n");
        foreach (string header in _headers)
        {
            source.Append(CultureInfo.InvariantCulture, $"#include <{header}>\n");
        }

        return source.Append(_assertions).ToString();
    }

    /// <summary>The fields that lie in memory.</summary>
    public static FieldInfo[] FieldsOf(Type type) =>
        type.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic);

    private static int SizeOf(FieldInfo field)
    {
        if (field.GetCustomAttribute<FixedBufferAttribute>() is { } buffer)
        {
            return buffer.Length * Marshal.SizeOf(buffer.ElementType);
        }

        Type type = field.FieldType.IsEnum ? field.FieldType.GetEnumUnderlyingType() : field.FieldType;
        return type.IsPointer ? nint.Size : Marshal.SizeOf(type);
    }

    private void Assert(string condition, string message)
    {
        _assertions.Append(CultureInfo.InvariantCulture, $"_Static_assert({condition}, \"{message}\");\n");
        Count++;
    }
}
