namespace Vireo.Cli.Where;

/// <summary>Writes what the host has, one line each.</summary>
internal static class HostReport
{
    private const int NameWidth = 12;

    /// <summary>Writes the facts.</summary>
    public static void Write(TextWriter output, IReadOnlyList<HostFact> facts)
    {
        output.WriteLine("This host:");
        foreach (HostFact fact in facts)
        {
            string answer = fact.IsThere ? "yes" : "no ";
            output.WriteLine($"  {fact.Name.PadRight(NameWidth)} {answer}  {fact.Note}");
        }

        output.WriteLine();
    }
}
