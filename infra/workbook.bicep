// A workbook on the same telemetry as the alerts.
param title string
param location string
param tags object
param workspaceId string

var charts = [
  {
    title: 'Freshness: how far behind each task was when its timer fired'
    query: loadTextContent('queries/freshness.kql')
    visualization: 'table'
  }
  {
    title: 'Rows by outcome, as they came to it'
    query: loadTextContent('queries/outcomes.kql')
    visualization: 'barchart'
  }
  {
    title: 'Rows by outcome and task'
    query: loadTextContent('queries/rows.kql')
    visualization: 'table'
  }
  {
    title: 'Why rows were rejected'
    query: loadTextContent('queries/reasons.kql')
    visualization: 'table'
  }
  {
    title: 'Rows that wait or are rejected now'
    query: loadTextContent('queries/totals.kql')
    visualization: 'table'
  }
  {
    title: 'Requests, 429s and back-off by service'
    query: loadTextContent('queries/requests.kql')
    visualization: 'table'
  }
  {
    title: 'Queues'
    query: loadTextContent('queries/queues.kql')
    visualization: 'table'
  }
  {
    title: 'Executions by status'
    query: loadTextContent('queries/runs.kql')
    visualization: 'table'
  }
  {
    title: 'Executions that found something to do'
    query: loadTextContent('queries/executions.kql')
    visualization: 'table'
  }
  {
    title: 'Problems by code'
    query: loadTextContent('queries/problems.kql')
    visualization: 'table'
  }
  {
    title: 'Poisoned messages'
    query: loadTextContent('queries/poison.kql')
    visualization: 'table'
  }
]

// The numbers are the workbook format's own: 1 a text, 3 a query, 9 parameters; parameter type 4 is a time range.
var introduction = {
  type: 1
  name: 'introduction'
  content: {
    json: 'Numbers are those that p2c\'s telemetry tells, without names and values. `python -m p2c rejected list` names the rejected rows and their reasons, `python -m p2c explain` says of one row why it is where it is. Timers tell of freshness, queues and totals, so without them these are empty.'
  }
}
var parameters = {
  type: 9
  name: 'parameters'
  content: {
    version: 'KqlParameterItem/1.0'
    parameters: [
      {
        id: guid(workspaceId, 'TimeRange')
        version: 'KqlParameterItem/1.0'
        name: 'TimeRange'
        type: 4
        isRequired: true
        value: {
          durationMs: 86400000
        }
        typeSettings: {
          selectableValues: [
            {
              durationMs: 3600000
            }
            {
              durationMs: 86400000
            }
            {
              durationMs: 604800000
            }
          ]
        }
      }
    ]
  }
}
var queries = map(charts, chart => {
  type: 3
  name: chart.title
  content: {
    version: 'KqlItem/1.0'
    title: chart.title
    query: chart.query
    size: 0
    queryType: 0
    resourceType: 'microsoft.operationalinsights/workspaces'
    timeContextFromParameter: 'TimeRange'
    visualization: chart.visualization
  }
})

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  name: guid(resourceGroup().id, 'p2c')
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    displayName: title
    category: 'workbook'
    sourceId: workspaceId
    serializedData: string({
      version: 'Notebook/1.0'
      items: concat([
        introduction
        parameters
      ], queries)
      fallbackResourceIds: [
        workspaceId
      ]
    })
  }
}
